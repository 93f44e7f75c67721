"""Pairs of bars with their intervals."""

import sys

from agents.evaluation import wilson_interval
from tests.experiments.helpers import EXPERIMENTS

sys.path.insert(0, str(EXPERIMENTS))
import bars


def test_all_and_nothing_have_intervals_too(tmp_path):
    for episodes in (1, 100, 512):
        shares = (0.0, 1.0)
        intervals = [wilson_interval(round(share * episodes), episodes) for share in shares]
        pair = tuple(bars.Bars(name, "#000000", shares, intervals) for name in ("a", "b"))
        path = bars.draw("title", ["nothing", "all"], pair, "success (%)", tmp_path / "bars.png")
        assert path.read_bytes().startswith(b"\x89PNG")
