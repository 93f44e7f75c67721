"""What a table of a sweep says: means, spreads, and what failed or is not done."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from tests.experiments.helpers import EXPERIMENTS

sys.path.insert(0, str(EXPERIMENTS))
from clevr_sweep import Line
from sweep_picture import FAR, far_below, panel
from sweep_tables import Outcome, text_table

from vqa.config import small
from vqa.evaluation import COLUMNS


def line(part: str = "table 2", published=97.4) -> Line:
    return Line(part, "no residual", "no-residual", small(), published, "command")


def summary(*accuracies: float) -> dict:
    """A run's summary; accuracies overall and of the first categories."""
    overall, *others = [{"accuracy": one, "questions": 10} for one in accuracies]
    categories = dict(zip(COLUMNS[1:], others, strict=False))
    return {"accuracy": accuracies[0], "evaluation": {"overall": overall, "category": categories}}


def last_line(outcome: Outcome) -> str:
    return text_table(outcome.line.part, [outcome]).splitlines()[2]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_the_figures_are_the_mean_and_the_standard_deviation_of_the_sample(accuracies):
    runs = {seed: summary(one) for seed, one in enumerate(accuracies)}
    figures = Outcome(line(), runs, {}, range(len(runs))).figures
    mean, spread = 100 * np.mean(accuracies), 100 * np.std(accuracies, ddof=1)
    assert figures == pytest.approx({"overall": mean, "overall ±": spread}, abs=0.0501)


def test_categories_are_told_in_table_1_only():
    runs = {0: summary(0.5, 0.25), 1: summary(0.7, 0.75)}
    published = {"overall": 97.7, "count": 94.3}
    told = Outcome(line("table 1", published), runs, {}, range(2))
    assert told.figures == {"overall": 60.0, "overall ±": 14.1, "count": 50.0}
    assert re.split("  +", last_line(told))[1:4] == ["60.0 ± 14.1", "97.7", "50.0 (94.3)"]
    assert "count" not in Outcome(line(), runs, {}, range(2)).figures


def test_a_failed_run_is_told_with_its_message_and_left_out_of_the_mean():
    failed = Outcome(line(), {0: summary(0.5)}, {1: "the loss is NaN"}, range(2))
    assert failed.figures == {"overall": 50.0}
    assert "50.0 (1 of 2 failed)" in last_line(failed)
    assert "no residual, seed 1, failed: the loss is NaN" in text_table("table 2", [failed])
    assert failed.is_complete
    assert not Outcome(line(), {}, {0: "NaN", 1: "NaN"}, range(2)).is_complete


def test_a_line_that_is_not_done_says_so_and_is_no_row():
    begun = Outcome(line(), {0: summary(0.5)}, {}, range(3))
    assert "50.0 (1 of 3 done)" in last_line(begun)
    assert not begun.is_complete
    assert "- (0 of 3 done)" in last_line(Outcome(line(), {}, {}, range(3)))


@given(values=st.lists(st.floats(0, 100), max_size=30))
def test_one_point_at_most_is_off_the_axis_and_the_others_can_be_told_apart(values):
    outside = far_below(values)
    inside = sorted(values)
    if outside is None:
        few = len(inside) < 3
        assert few or inside[1] - inside[0] <= FAR * max(inside[-1] - inside[1], 1)
    else:
        assert inside[0] == outside < inside[1]
        assert inside[1] - outside > FAR * (inside[-1] - inside[1])


def test_what_lies_far_below_stands_at_the_edge_with_its_number():
    axes = Figure().subplots()
    panel(axes, [[65.0, 63.0], [], [62.0], [20.3]], "black", "o")
    places = {text.get_text(): text.xy for text in axes.texts}
    assert {name: y for name, (_, y) in places.items()} == {"64.0": 0, "62.0": 2, "20.3": 3}
    assert [places[name][0] for name in ("64.0", "62.0")] == [64.0, 62.0]
    assert 60 < places["20.3"][0] < 62
    assert "off the axis" in axes.get_xlabel()
