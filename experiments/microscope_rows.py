"""What analyze.py found in a question answerer, as rows of docs/results/paper.json."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from commands import on_run
from paper_rows import Row, measured, read_rows, write_rows
from sweep_tables import data_of

from film_rl.run import RunFolder
from vqa.config import VQAConfig

QUESTIONS = 1_000  # that analyze.py asks where nothing is typed
PART = "what gamma and beta do"
HISTOGRAMS = "histograms of gamma and beta over all blocks"
MEANS = {which: f"{which} replaced by its mean over the training questions, points"
         for which in ("gamma", "beta")}  # fmt: skip
NOISE = "noise on gamma, on beta, on both"
NEIGHBOURS = "t-SNE of the parameters of the first and last block"


def add_rows(
    run: RunFolder, found: Mapping[str, Mapping[str, Any]], questions: int, path: Path
) -> None:
    """Add the figures of the analyses that were done; they replace those on the same data.

    Args:
        run: of a question answerer.
        found: the figures of each analysis, by its name.
        questions: how many were asked.
        path: the file of rows.
    """
    config = run.config(VQAConfig)
    device = (run.summary() or {}).get("device", "unknown hardware")
    published = {row["what"]: row["paper"] for row in read_rows(path) if row["part"] == PART}
    how_many = [] if questions == QUESTIONS else ["--questions", str(questions)]
    rows: list[Row] = [
        measured(
            PART,
            what,
            published.get(what),
            figures,
            data=f"{data_of(config)}; {questions:,} held-out questions",
            command=on_run(run, "analyze", *how_many),
            hardware=device,
            seeds=[config.seed],
        )
        for what, figures in _figures(found)
    ]
    write_rows(rows, path)


def _figures(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the part, and their figures."""
    if "statistics" in found:
        spreads = found["statistics"]["all"]
        yield (
            HISTOGRAMS,
            {
                name: value
                for which in ("gamma", "beta")
                for name, value in (
                    (f"{which} below 0, %", round(100 * spreads[which]["negative"], 1)),
                    (f"{which}, least", round(spreads[which]["min"], 1)),
                    (f"{which}, most", round(spreads[which]["max"], 1)),
                )
            },
        )
    if "mean" in found:
        means = found["mean"]
        for which, what in MEANS.items():
            yield what, {"points": round(100 * (means[which] - means["plain"]), 1)}
    if "noise" in found:
        noise = found["noise"]
        yield (
            NOISE,
            {
                f"{which}, size {size:g}, %": round(100 * noise[which][place], 1)
                for which in ("gamma", "beta", "both")
                for place, size in enumerate(noise["sizes"])
                if size in (2, 4, 8)
            },
        )
    if "tsne" in found:
        yield (
            NEIGHBOURS,
            {
                f"{name} of {block} as the nearest's, %": round(100 * near["nearby"], 1)
                for block, maps in found["tsne"]["blocks"].items()
                for name, near in maps["labels"].items()
            },
        )
