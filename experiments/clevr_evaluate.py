"""Evaluate a trained question answerer on any folder in CLEVR's official format.

    python experiments/clevr_evaluate.py --run runs/clevr-small --data CLEVR_v1.0 --split val
    python experiments/clevr_evaluate.py --run R --data CLEVR_v1.0 --split test --predictions P.txt

Writes evaluation-SPLIT.json into the run folder (or --out): overall, the paper's five categories,
13 question types, 90 families, by objects and lengths, counting errors, consistency of answers
about one image, images swapped between scenes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
from answerer import TrainedAnswerer
from commands import on_run, typed
from paper_rows import Row, check_rows, measured, write_rows

if TYPE_CHECKING:
    from film_rl.run import RunFolder
    from vqa.config import VQAConfig
    from vqa.dataset import Dataset
    from vqa.learner import Learner
    from vqa.training import Split


@dataclass(frozen=True)
class Options(TrainedAnswerer):
    """Which network, on which data."""

    data: Path | None = None
    """The folder, with questions/ and images/; that of the training when not given."""
    split: str = "val"
    """train, val, test, valA, valB, ... as in questions/CLEVR_SPLIT_questions.json."""
    images: int = 0
    """Only so many images, the first ones (0: all)."""
    out: Path | None = None
    """Where to write the figures; evaluation-SPLIT.json in the run folder when not given."""
    predictions: Path | None = None
    """Also write the answers, a line a question, in the order of the file."""
    results: Path | None = None
    """A file of rows that the counting errors are added to, such as docs/results/paper.json;
    report.py then writes docs/paper.md anew."""


def main() -> None:
    """Evaluate, show the table and write the figures."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import UserError
        from film_rl.run.files import write_atomically
        from vqa.prepare import data_folder, features_for, open_split, to_split, unknown_words

        if options.results:
            check_rows(options.results)
        if options.images < 0:
            raise UserError(f"--images {options.images}; expected 1 or more, or 0 for all")
        run, learner, config, vocabulary = options.load()
        root = options.data or data_folder(config)
        features = features_for(config)
        dataset = open_split(config, root, options.split, options.images, features)
        split = to_split(dataset, vocabulary)
        if unknown := unknown_words(dataset, vocabulary):
            index, word = unknown[0]
            print(
                f"{len(unknown):,} of {len(dataset):,} questions hold words that training did not, "
                f"read as <UNK>; the first: {dataset.source}, question {index}: {word!r}"
            )
        unanswered = [i for i, q in enumerate(dataset.questions) if "answer" not in q]
        if options.predictions is None and unanswered:
            raise UserError(
                f"{dataset.source}, question {unanswered[0]}: has no answer, so nothing can be "
                "scored; type --predictions FILE to write what the network answers"
            )
        figures, predicted = _assess(learner, dataset, split)
        if options.predictions is not None:
            write_atomically(options.predictions, "".join(f"{p}\n" for p in predicted).encode())
            print(f"answers: {options.predictions}")
        if figures is not None:
            path = options.out or run.path / f"evaluation-{options.split}.json"
            _write(path, figures, str(root), options.split)
            _show(figures, str(run.path))
            print(f"figures: {path}")
            if options.results:
                write_rows([_row(options, run, config, figures)], options.results)
                print(f"rows: {options.results}")


def _row(options: Options, run: "RunFolder", config: "VQAConfig", figures: dict[str, Any]) -> Row:
    """How far off wrong counts are, as a row of docs/results/paper.json."""
    from sweep_tables import data_of

    errors = figures["counting_errors"]
    # Folders by their names alone: where they lie is a matter of the machine.
    named = replace(options, data=options.data and Path(options.data.name))
    without = ("run", "out", "results", "predictions", "device")
    words = typed(named, Options(run=options.run), without)
    asked = f"{named.data} {options.split}" if named.data else options.split
    return measured(
        "errors",
        "wrong counts that are off by one, %",
        96.1,
        {
            "off by one": round(100 * errors["by_distance"].get("1", 0.0), 1),
            "wrong counts": errors["errors"],
        },
        data=f"{data_of(config)}; {figures['overall']['questions']:,} questions of {asked}",
        command=on_run(run, "clevr_evaluate", *words),
        hardware=(run.summary() or {})["device"],
        seeds=[config.seed],
    )


def _assess(
    learner: "Learner", dataset: "Dataset", split: "Split"
) -> tuple[dict[str, Any] | None, list[str]]:
    """The figures, None for questions without answers, and the answers given."""
    from vqa.evaluation import answers_of
    from vqa.finish import assess
    from vqa.learner import predict

    if all("answer" in question for question in dataset.questions):
        return assess(learner, dataset, split)
    return None, answers_of(predict(learner, split.images, split.table))


def _write(path: Path, figures: dict[str, Any], root: str, split: str) -> None:
    from film_rl.run.files import to_json, write_atomically

    write_atomically(path, to_json({"data": root, "split": split, **figures}))


def _show(figures: dict[str, Any], name: str) -> None:
    """The row of the paper's table 1 among the published ones, and the other breakdowns."""
    from rich.console import Console
    from rich.table import Table

    from vqa.evaluation import COLUMNS, table_rows

    console = Console()
    table = Table(title="Accuracy in %. Published rows: CLEVR test (Perez et al. 2018, table 1)")
    table.add_column(no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.replace("compare", "cmp").replace("attribute", "attr."))
    for row, values in table_rows(figures, name):
        table.add_row(row, *("" if value is None else f"{value:.1f}" for value in values))
    console.print(table)
    for title in ("type", "objects", "program_length"):
        groups = Table(title.replace("_", " "), "accuracy", "questions")
        for key, group in figures[title].items():
            groups.add_row(key, f"{group['accuracy']:.1%}", f"{group['questions']:,}")
        console.print(groups)
    _show_consistency(figures["consistency"])
    if (swapped := figures["images_swapped"]["accuracy"]) is not None:
        console.print(f"images swapped between scenes: {swapped:.1%}")
    errors = figures["counting_errors"]
    shares = ", ".join(f"{k}: {share:.1%}" for k, share in errors["by_distance"].items())
    console.print(f"{errors['errors']} counting errors by distance: {shares or 'none'}")


def _show_consistency(figures: dict[str, Any]) -> None:
    """How often answers about one image contradict each other, rule by rule."""
    from rich.console import Console
    from rich.table import Table

    table = Table("related questions about one image", "contradict each other", "groups")
    for rule, row in {**figures["by_rule"], "all": figures}.items():
        share = "" if row["contradicted"] is None else f"{row['contradicted']:.1%}"
        table.add_row(rule, share, f"{row['groups']:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
