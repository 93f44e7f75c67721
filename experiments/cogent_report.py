"""What came out of clevr_cogent.py: a table, figure 9 as one plot, rows of paper.json."""

from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from clevr_sweep import command
from commands import typed
from matplotlib.figure import Figure
from paper_rows import mean_of, of_runs, write_rows
from rich.console import Console
from rich.table import Table
from sweep_tables import data_of

from film_rl.analysis.style import BLUE, VERMILLION, tidy
from film_rl.run import RunFolder, Sweep, UserError
from film_rl.run.files import read_json, to_json, write_atomically
from vqa.cogent import on_condition_b
from vqa.config import Tuned, VQAConfig
from vqa.learner import accuracy
from vqa.prepare import held_out_data, load_answerer, to_split

if TYPE_CHECKING:
    from clevr_cogent import Options, Plan

# By what is in the table CoGenT: without fine-tuning, and with 3,000 images of B.
PUBLISHED = {"A": 98.3, "B": 75.6, "A, fine-tuned on B": 80.8, "B, fine-tuned on B": 96.9}
PUBLISHED_CURVE = (
    "a curve: the best result on B before FiLM is reached with a third of its data; A is forgotten"
)
COLORS = {"all": BLUE, "film": VERMILLION}
WHAT = {"all": "everything tuned", "film": "only what makes gamma and beta"}

Line = tuple[float, Tuned]  # penalty, part
PAPERS_OWN: Line = (0.0, "all")
Outcome = dict[Line, dict[int, dict[str, list[float]]]]
"""By line and images of B (0: not tuned): accuracies in percent on A and on B, a seed each."""


def outcomes(plan: "Plan", first: Sweep[VQAConfig], second: Sweep[VQAConfig]) -> Outcome:
    """The accuracies of all runs on both conditions; runs that failed are left out."""
    from clevr_cogent import name_of

    found: Outcome = {}
    parts = dict.fromkeys(part for _, _, part, _ in plan.tuned)
    for (penalty, seed), config in plan.trained.items():
        run = first.runs[name_of((penalty, seed))]
        for part in parts:
            _add(found, (penalty, part), 0, run, config)
    for penalty, seed, part, amount in plan.tuned:
        run = second.runs[name_of((penalty, seed, part, amount))]
        _add(found, (penalty, part), amount, run, plan.trained[penalty, seed])
    return found


def _add(found: Outcome, line: Line, amount: int, run: RunFolder, on_a: VQAConfig) -> None:
    if run.summary() is None:
        return
    of = found.setdefault(line, {}).setdefault(amount, {"A": [], "B": []})
    for condition, value in conditions(run, on_a).items():
        of[condition].append(100 * value)


def conditions(run: RunFolder, on_a: VQAConfig) -> dict[str, float]:
    """The accuracies of a run on both conditions, measured once and kept in conditions.json.

    Args:
        run: on A, or tuned on B.
        on_a: the configuration of the training on A, which says what both are tested on.
    """
    file = run.path / "conditions.json"
    if not file.exists():
        learner, _, vocabulary = load_answerer(run, on_a.device)
        found = {}
        for name, config in (("A", on_a), ("B", on_condition_b(on_a))):
            split = to_split(held_out_data(config), vocabulary)
            found[name] = accuracy(learner, split.images, split.table)
        write_atomically(file, to_json(found))
    return dict(read_json(file))


def report(options: "Options", plan: "Plan", found: Outcome) -> None:
    """Print the table, draw the figure, write figures and rows, and say where all lies."""
    if not found:
        raise UserError(
            f"no training of {plan.folder / 'trained'} came to its end; failed.json in each "
            "tells why, and a smaller --learning-rate may help, in a new folder"
        )
    show(found)
    named = {f"penalty {penalty:g}, {part}": by for (penalty, part), by in found.items()}
    write_atomically(plan.folder / "cogent.json", to_json(named))
    picture = draw(found, plan.folder / "figure-9.png")
    config = next(iter(plan.trained.values()))
    others = vars(options).keys() - {"amounts", "tune_steps", "tune_rate"}
    tuning = typed(options, type(options)(), without=tuple(others))
    rows = []
    for line, by in found.items():
        chosen = ["--penalties", f"{line[0]:g}", "--tune-parts", line[1], *tuning]
        known: dict[str, Any] = {
            "data": data_of(config),
            "command": command("clevr_cogent", options, *chosen),
            "runs": plan.runs_of(*line),
        }
        if line == PAPERS_OWN:
            most = max(options.amounts)
            rows.append(of_runs("CoGenT", "FiLM", PUBLISHED, ends(by, most), **known))
        curve = PUBLISHED_CURVE if line == PAPERS_OWN else None
        rows.append(of_runs("figure 9", what(line), curve, figures(by), **known))
    write_rows(rows, options.results)
    print(f"figures: {plan.folder / 'cogent.json'}\npicture: {picture}\nrows: {options.results}")


def what(line: Line) -> str:
    """A line in words."""
    penalty, part = line
    return f"{WHAT[part]}, {f'penalty {penalty:g}' if penalty else 'no penalty'}"


def figures(by: dict[int, dict[str, list[float]]]) -> dict[str, float]:
    """Mean accuracies by condition and amount, and their standard deviations."""
    found: dict[str, float] = {}
    for amount, of in sorted(by.items()):
        for condition, values in of.items():
            found |= mean_of(f"{condition}, {amount} images", values)
    return found


def ends(by: dict[int, dict[str, list[float]]], most: int) -> dict[str, float]:
    """Mean accuracies before any fine-tuning, and after that on most images, where one finished."""
    names = {0: ("A", "B"), most: ("A, fine-tuned on B", "B, fine-tuned on B")}
    return {
        name: round(mean(by[amount][condition]), 1)
        for amount, of in names.items()
        for condition, name in zip("AB", of, strict=True)
        if amount in by
    }


def show(found: Outcome) -> None:
    """Print accuracies on A and B by the images of B that were tuned on."""
    amounts = sorted({amount for by in found.values() for amount in by})
    table = Table("accuracy on A / on B (%)", *(f"{amount:,} images of B" for amount in amounts))
    for line, by in found.items():
        cells = []
        for amount in amounts:
            of = by.get(amount)
            cells.append(f"{mean(of['A']):.1f} / {mean(of['B']):.1f}" if of else "-")
        table.add_row(what(line), *cells)
    Console().print(table)


def draw(found: Outcome, path: Path) -> Path:
    """Accuracy on B, and on A (what is forgotten), over the images of B; the PNG's path."""
    amounts = sorted({amount for by in found.values() for amount in by})
    figure = Figure(figsize=(11, 4.6), dpi=110, layout="constrained")
    figure.suptitle("CoGenT: trained on A, fine-tuned on B (dots: runs; lines: their means)")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, condition, title in zip(
        panels, ("B", "A"), ("condition B: what is learned", "condition A: what is forgotten"),
        strict=True,
    ):  # fmt: skip
        for line, by in found.items():
            known = [amount for amount in amounts if amount in by]
            places = [amounts.index(amount) for amount in known]
            means = [mean(by[amount][condition]) for amount in known]
            style = "--" if line[0] else "-"
            color = COLORS[line[1]]
            axes.plot(places, means, style, marker="o" if not line[0] else "^", color=color,
                      label=what(line))  # fmt: skip
            for place, amount in zip(places, known, strict=True):
                runs = by[amount][condition]
                axes.plot([place] * len(runs), runs, ".", color=color, alpha=0.4)
        axes.set_title(title, fontsize=11)
        axes.set_xticks(range(len(amounts)), [f"{amount:,}" for amount in amounts])
        axes.set_xlabel("images of B fine-tuned on, with all their questions")
        tidy(axes)
    panels[0].set_ylabel("held-out questions answered right (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path)
    return path
