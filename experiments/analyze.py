"""Look into a trained network, agent or question answerer: what gamma and beta are, what they do.

    python experiments/analyze.py --run runs/clevr-small
    python experiments/analyze.py --run runs/go-to-local --what statistics tsne where
    python experiments/analyze.py --run runs/clevr-small --what scatter --block 3 --by red
    python experiments/analyze.py --run runs/go-to-local --what arithmetic --formula \
        "go to the red ball + go to the blue key - go to the blue ball = go to the red key"

Writes numbers (JSON) and pictures (PNG) into RUN/analysis/, and beside them what the paper found.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import cli
from kinds import kind_of
from paper_rows import check_rows

if TYPE_CHECKING:
    from film_rl.analysis.subject import Subject
    from film_rl.run import RunFolder

What = Literal[
    "statistics", "scatter", "tsne", "where", "interpolation", "arithmetic", "noise", "mean", "off"
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which run, and what to look at."""

    run: Path
    """The run folder of an agent or of a question answerer."""
    what: tuple[What, ...] = ()
    """All that the run allows when not given. statistics: histograms; scatter: gamma against beta
    of feature maps; tsne: which sentences steer alike; where: where in the picture features come
    from, and gradients; interpolation: from one sentence to another; arithmetic: sums of sentences;
    noise on gamma and beta; mean: gamma and beta replaced by their means; off: single feature maps
    switched off."""
    questions: int = 1_000
    """Held-out questions to look with and to measure accuracy on (question answerer)."""
    episodes: int = 256
    """Fresh episodes to measure success in (agent)."""
    by: str | None = None
    """How to colour sentences: category or type (question answerer), verb, colour or object
    (agent), or a word that some of them have."""
    block: int | None = None
    """The block to look at (scatter: the last when not given; off: all), 1 is the first."""
    map: int | None = None
    """The feature map to look at (scatter: those whose gamma moves most; off: all), 1 is the
    first."""
    between: tuple[str, str] | None = None
    """The two sentences of the interpolation; those of two examples when not given."""
    steps: int = 9
    """Steps of the interpolation, both ends included."""
    formula: str | None = None
    """A sum of sentences, such as "A + B - C", or "A + B - C = D" where D is what should come
    out."""
    examples: int = 3
    """How many examples to show where features come from."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    results: Path | None = None
    """A file of rows that a question answerer's figures are added to, such as
    docs/results/paper.json; report.py then writes docs/paper.md anew."""


def main() -> None:
    """Do what was asked for; print the figures and where they lie."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import RunFolder

        _check_numbers(options)
        if options.results is not None:
            check_rows(options.results)
        run = RunFolder.existing(options.run)
        run.check_writable()
        subject = _subject(run, options)
        _analyze(run, subject, options)


def _check_numbers(options: Options) -> None:
    from film_rl.run import UserError

    least = {"questions": 4, "episodes": 1, "steps": 2, "examples": 1, "block": 1, "map": 1}
    for name, low in least.items():
        value = getattr(options, name)
        if value is not None and value < low:
            raise UserError(f"--{name} {value}; expected {low} or more")


def _subject(run: "RunFolder", options: Options) -> "Subject":
    """The run's network, whichever kind of run it is."""
    from film_rl.run import UserError

    kind = kind_of(run)
    if kind is None:
        raise UserError(
            f"{run.path} is neither a run of an agent (babyai_ppo.py) nor of a question answerer "
            "(clevr_train.py); type --run with the folder of one"
        )
    if kind == "agent":
        if options.results is not None:
            raise UserError(f"--results: {run.path} is a run of an agent; the paper has none")
        from agents.subject import agent_subject

        return agent_subject(run, options.episodes, options.examples, options.device)
    from vqa.subject import answerer_subject

    return answerer_subject(run, options.questions, options.examples, options.device)


def _analyze(run: "RunFolder", subject: "Subject", options: Options) -> None:
    """Each analysis in turn: its figures and pictures written, its lines printed."""
    from studies import STUDIES
    from study import NotHereError, Request

    from film_rl.run import UserError
    from film_rl.run.files import to_json, write_atomically
    from vqa.findings import FINDINGS, SOURCE, found

    request = Request(
        by=options.by,
        block=options.block,
        map=options.map,
        between=options.between,
        steps=options.steps,
        formula=options.formula,
    )
    try:
        request.check(subject)
    except ValueError as error:
        raise UserError(str(error)) from None
    folder, figures = run.folder("analysis"), {}
    for what in dict.fromkeys(options.what or get_args(What)):
        try:
            study = STUDIES[what](subject, request, found(what))
        except NotHereError as reason:
            if options.what:
                raise UserError(f"--what {what}: {reason}") from None
            print(f"\n{what}: left out, {reason}")
            continue
        print(f"\n{what}")
        for line in [*study.lines, *filter(None, [found(what)])]:
            print(f"  {line}")
        path, figures[what] = folder / f"{what}.json", study.figures
        paper = {"source": SOURCE, **FINDINGS.get(what, {"note": None})}
        write_atomically(path, to_json({"what": what, **study.figures, "paper": paper}))
        pictures = study.draw(folder)
        print(f"  {', '.join(str(one) for one in [path, *pictures])}")
    if options.results is not None:
        from microscope_rows import add_rows

        add_rows(run, figures, len(subject.sentences), options.results)
        print(f"\nrows: {options.results}")


if __name__ == "__main__":
    main()
