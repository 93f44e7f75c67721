"""Fine-tune a trained network's FiLM generator on questions that people asked: CLEVR-Humans.

    python experiments/clevr_train.py --data CLEVR_v1.0 --preset fast --run runs/clevr-fast
    python experiments/clevr_humans.py --run runs/clevr-fast --data CLEVR-Humans

Claim (Perez et al. 2018, section 4.4): from 56.6% to 75.9% of the test questions (whose answers are
not public: here it is val), by tuning only what makes gamma and beta. Stem, blocks and classifier
are frozen in earnest, their batch statistics too. Words that stand at least --word-threshold times
in the training questions are learned anew; rarer ones are read as <UNK>. Training stops after
--patience evaluations, one an epoch, without a better accuracy, and keeps the best network.

--data is the official folder, with CLEVR_v1.0 (whose images the questions are about) beside it.
All its answers are among CLEVR's 28; a question with another answer is refused and named, because
the network could not be right. Started again with the same command it goes on. Writes humans.json
and plots/humans.png into the new run folder (--out), beside what clevr_train.py writes.
Cost: 17,817 questions an epoch, of which most of a gradient step is the paper's GRU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
from commands import on_run, typed
from kinds import kind_of, run_of
from paper_rows import PAPER, check_rows, measured, write_rows

if TYPE_CHECKING:
    from film_rl.run import RunFolder
    from vqa.config import VQAConfig
    from vqa.dataset import Dataset
    from vqa.tokens import QuestionVocabulary

PUBLISHED = {"before fine-tuning": 56.6, "after": 75.9}  # on the test questions
KNOWN, LEARNED, UNKNOWN = GROUPS = (
    "every word known before",
    "with words learned now",
    "with words unknown still",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which network, which questions, how to tune."""

    run: Path
    """The run folder of a network trained on CLEVR."""
    data: Path
    """The folder CLEVR-Humans, with CLEVR_v1.0 beside it."""
    out: Path | None = None
    """The run folder of the fine-tuning; RUN-humans when not given."""
    epochs: int = 80
    """Passes over the training questions at most."""
    patience: int = 10
    """Stop after so many epochs without a better accuracy."""
    learning_rate: float = 3e-4
    """Adam's step size."""
    batch_size: int = 64
    """Questions a gradient step."""
    word_threshold: int = 5
    """A new word is learned if it stands so many times in the training questions."""
    seed: int = 0
    """Seed of the new words and the batches."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    results: Path = PAPER
    """The file that the row of the table goes to."""


def main() -> None:
    """Check, tune or go on, compare, draw."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from clevr_train import train_and_finish

        from film_rl.run import Team
        from film_rl.run.files import to_json, write_atomically

        check_rows(options.results)
        start = run_of("question answerer", options.run)
        config = wanted(options, start)
        run = opened(options.out or Path(f"{options.run}-humans"), config)
        with run:
            print(f"run folder: {run.path}", flush=True)
            if run.summary() is None:
                train_and_finish(run, config, Team())
            figures = compared(start, run, options.device)
            show(figures)
            write_atomically(run.path / "humans.json", to_json(figures))
            picture = draw(figures, run.folder("plots") / "humans.png")
            hardware = (run.summary() or {})["device"]
            write_rows([row_of(options, start, figures, hardware)], options.results)
            print(f"figures: {run.path / 'humans.json'}\npicture: {picture}")


def wanted(options: Options, start: "RunFolder") -> "VQAConfig":
    """The configuration of the fine-tuning; a UserError, before anything runs, where it is none."""
    from film_rl.run import UserError
    from vqa.check import check
    from vqa.config import VQAConfig
    from vqa.fine_tune import check_start, continued
    from vqa.layout import question_file
    from vqa.questions import load_questions

    if not options.data.is_dir():
        raise UserError(f"--data {options.data} is no folder; expected that of CLEVR-Humans")
    # A step an epoch at least, and an evaluation an epoch.
    questions = load_questions(question_file(options.data, "train"))
    an_epoch = max(1, len(questions) // options.batch_size)
    config = replace(
        continued(start.config(VQAConfig), start.path),
        data=str(options.data),
        train_split="train",
        val_split="val",
        train_images=0,
        val_images=0,
        val_skip=0,
        tune="film",
        word_threshold=options.word_threshold,
        steps=0,
        epochs=options.epochs,
        patience=options.patience,
        batch_size=options.batch_size,
        share=1,
        shift=0,
        learning_rate=options.learning_rate,
        warmup=0,
        fall=0.0,
        eval_every=an_epoch,
        checkpoint_every=an_epoch,
        seed=options.seed,
        device=options.device,
    )
    check(config)
    check_start(config)
    return config


def opened(path: Path, config: "VQAConfig") -> "RunFolder":
    """A new run folder, or that of the same fine-tuning."""
    from film_rl.run import RunFolder, UserError, differences
    from vqa.config import VQAConfig

    if not (path / "config.json").exists():
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {path}: {error.strerror}; choose another --out") from None
        return RunFolder.create(path, config)
    run = RunFolder.existing(path)
    if kind_of(run) != "question answerer":
        raise UserError(f"{path} holds a run of another kind; choose another --out")
    saved = replace(run.config(VQAConfig), device=config.device)
    if changes := differences(saved, config):
        listed = "\n  ".join(changes)
        raise UserError(f"{path} holds another run; choose another --out:\n  {listed}")
    return run


def compared(start: "RunFolder", run: "RunFolder", device: str) -> dict[str, Any]:
    """Accuracy before and after, overall and by what became of the words."""
    from film_rl.run import read_origin
    from vqa.config import VQAConfig
    from vqa.evaluation import answers_of, row
    from vqa.learner import predict
    from vqa.prepare import held_out_data, load_answerer, to_split

    dataset = held_out_data(run.config(VQAConfig))
    vocabularies, right = [], []
    for network in (start, run):
        learner, _, vocabulary = load_answerer(network, device)
        split = to_split(dataset, vocabulary)
        given = answers_of(predict(learner, split.images, split.table))
        pairs = zip(given, dataset.questions, strict=True)
        right.append([answer == question["answer"] for answer, question in pairs])
        vocabularies.append(vocabulary)
    group_of = groups(dataset, *vocabularies)

    def both(indices: Sequence[int]) -> dict[str, Any]:
        before, after = (row([each[index] for index in indices]) for each in right)
        return {"before": before, "after": after}

    by_words = {
        group: both([index for index, own in enumerate(group_of) if own == group])
        for group in GROUPS
    }
    return {
        "start": read_origin(run),
        "overall": both(range(len(dataset))),
        "by_words": by_words,
    }


def groups(
    dataset: "Dataset", before: "QuestionVocabulary", after: "QuestionVocabulary"
) -> list[str]:
    """Per question: every word was known, all are known now, or some are unknown still."""
    from vqa.tokens import tokenize

    found = []
    for question in dataset.questions:
        new = [word for word in tokenize(question["question"]) if word not in before]
        learned = all(word in after for word in new)
        found.append(KNOWN if not new else LEARNED if learned else UNKNOWN)
    return found


def row_of(
    options: Options, start: "RunFolder", figures: dict[str, Any], hardware: str
) -> dict[str, Any]:
    """The figures as a row of docs/results/paper.json."""
    overall, data = figures["overall"], options.data.resolve().name
    default = Options(run=options.run, data=options.data)
    words = typed(options, default, without=("out", "device", "results"))
    return measured(
        "CLEVR-Humans",
        "FiLM",
        PUBLISHED,
        {name: round(100 * overall[name.split()[0]]["accuracy"], 1) for name in PUBLISHED},
        data=f"{data} val, {overall['after']['questions']:,} questions",
        command=on_run(start, "clevr_humans", "--data", data, *words),
        hardware=hardware,
        seeds=[options.seed],
    )


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("questions that people asked", "number", "before", "after")
    for name, one in {"all": figures["overall"], **figures["by_words"]}.items():
        accuracies = (one[when]["accuracy"] for when in ("before", "after"))
        cells = ("-" if each is None else f"{each:.1%}" for each in accuracies)
        table.add_row(name, f"{one['before']['questions']:,}", *cells)
    Console().print(table)


def draw(figures: dict[str, Any], path: Path) -> Path:
    """Accuracy before and after, overall and by what became of the words; the PNG's path."""
    import bars

    from film_rl.analysis.style import BLUE, GREY

    rows = {"all": figures["overall"], **figures["by_words"]}
    origin = figures["start"]

    def of(when: str, color: str, published: float) -> bars.Bars:
        shares = [one[when]["accuracy"] for one in rows.values()]
        return bars.Bars(f"{when} fine-tuning", color, shares, published=published)

    return bars.draw(
        f"CLEVR-Humans val: only what makes gamma and beta is tuned; {origin['new_words']:,} words "
        f"learned beside {origin['words']:,}",
        [f"{name} ({one['before']['questions']:,})" for name, one in rows.items()],
        (
            of("before", GREY, PUBLISHED["before fine-tuning"]),
            of("after", BLUE, PUBLISHED["after"]),
        ),
        "questions answered right (%); the lines: the paper, on test",
        path,
    )


if __name__ == "__main__":
    main()
