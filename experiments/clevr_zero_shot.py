"""Answer questions about pairs never seen, such as cyan cubes, by arithmetic of FiLM parameters.

    python experiments/clevr_train.py --train-split trainA --val-split valA --run runs/clevr-a
    python experiments/clevr_zero_shot.py --run runs/clevr-a

Claim (Perez et al. 2018, section 4.5): a network trained on CoGenT's condition A answers more
questions about condition B when film(q) is put together as film(q1) + film(q2) - film(q3), where
none of the three names a pair that A lacks: 80.7% instead of 71.5% of the third of the questions to
which that applies, 78.8% instead of 75.6% overall. Which three: vqa/zero_shot.py. Beside it the
same on condition A, where questions name such pairs too (the answer is then no, or 0).

Cost: a training of clevr_train.py; then, of generated data, 1,300 images to draw and 10,000
questions to answer twice. Writes zero_shot.json and plots/zero_shot.png into the run folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
from answerer import TrainedAnswerer
from commands import on_run
from paper_rows import PAPER, check_rows, measured, write_rows

if TYPE_CHECKING:
    from vqa.config import VQAConfig

PUBLISHED = {  # in percent, by part and line of docs/paper.md
    ("zero-shot", "questions that the arithmetic applies to"): {
        "share of B, %": 33.3, "before": 71.5, "after": 80.7,
    },
    ("zero-shot", "all questions of B"): {"before": 75.6, "after": 78.8},
    ("CoGenT", "FiLM, zero-shot arithmetic"): {
        "A": 98.3, "B": 78.8, "A, fine-tuned on B": 81.1, "B, fine-tuned on B": 96.9,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Options(TrainedAnswerer):
    """Which network: one trained on condition A."""

    results: Path = PAPER
    """The file that the rows of the tables go to."""


def main() -> None:
    """Measure on both conditions, show, draw and write."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import describe_device
        from film_rl.run.files import to_json, write_atomically
        from vqa.cogent import check_condition_a, on_condition_b
        from vqa.prepare import held_out_data
        from vqa.zero_shot import check_film, figures

        check_rows(options.results)
        run, learner, config, vocabulary = options.load()
        run.check_writable()
        check_condition_a(config, run.path)
        check_film(learner)
        found = {
            name: figures(learner, held_out_data(of), vocabulary)
            for name, of in (("B", on_condition_b(config)), ("A", config))
        }
        show(found)
        write_atomically(run.path / "zero_shot.json", to_json(found))
        picture = draw(found["B"], run.folder("plots") / "zero_shot.png")
        rows = [
            measured(
                *line,
                PUBLISHED[line],
                percents,
                data=data_of(config, found["B"]["questions"]),
                command=on_run(run, "clevr_zero_shot"),
                hardware=describe_device(learner.device),
                seeds=[config.seed],
            )
            for line, percents in zip(PUBLISHED, in_percent(found), strict=True)
        ]
        write_rows(rows, options.results)
        print(f"figures: {run.path / 'zero_shot.json'}\npicture: {picture}")


def in_percent(found: dict[str, Any]) -> list[dict[str, float | None]]:
    """The figures of each line, in percent."""

    def percent(share: float | None) -> float | None:
        return None if share is None else round(100 * share, 1)

    def both(rows: dict[str, Any]) -> dict[str, float | None]:
        return {when: percent(rows[when]["accuracy"]) for when in ("before", "after")}

    on_b = found["B"]
    return [
        {"share of B, %": percent(on_b["share"]), **both(on_b["where_it_applies"])},
        both(on_b["overall"]),
        {name: percent(one["overall"]["after"]["accuracy"]) for name, one in found.items()},
    ]


def data_of(config: "VQAConfig", questions: int) -> str:
    """What it was measured on, in words."""
    images = f"generated, {config.train_images:,} training images"
    data = Path(config.data).name if config.data else images
    return f"{data}; {questions:,} held-out questions"


def show(found: dict[str, Any]) -> None:
    """Print how often the rule applies, what it gains, and two examples."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("condition", "questions", "unseen pair", "rule applies", "before", "after")
    for name, one in found.items():
        for share, rows in (("where it applies", one["where_it_applies"]), ("all", one["overall"])):
            accuracies = [rows[when]["accuracy"] for when in ("before", "after")]
            table.add_row(
                f"{name}, {share}",
                f"{rows['before']['questions']:,}",
                f"{one['unseen']:,} ({one['several']:,} with several)",
                f"{one['share']:.1%}",
                *("-" if one is None else f"{one:.1%}" for one in accuracies),
            )
    console.print(table)
    for question, shape, color, both in found["B"]["examples"][:2]:
        console.print(f"{question}\n  + {shape}\n  + {color}\n  - {both}", highlight=False)


def draw(found: dict[str, Any], path: Path) -> Path:
    """Accuracy before and after, where the rule applies, by question type; the PNG's path."""
    import bars

    from film_rl.analysis.style import BLUE, GREY

    rows = {"all questions": found["overall"], "where it applies": found["where_it_applies"]}
    rows |= {f"  {kind}": one for kind, one in found["by_type"].items()}

    def of(when: str, name: str, color: str) -> bars.Bars:
        return bars.Bars(name, color, [one[when]["accuracy"] for one in rows.values()])

    return bars.draw(
        f"Pairs of colour and shape never seen: the rule applies to {found['share']:.1%} of "
        f"{found['questions']:,} questions",
        [f"{name} ({one['before']['questions']:,})" for name, one in rows.items()],
        (of("before", "as asked", GREY), of("after", "film(q1) + film(q2) - film(q3)", BLUE)),
        "questions answered right (%); the paper: 71.5 and 80.7 where it applies",
        path,
    )


if __name__ == "__main__":
    main()
