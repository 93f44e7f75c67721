"""Histograms, shares and scatters of gammas and betas that were set by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from film_rl.analysis.statistics import BINS, most_moved, scatter, spread, statistics
from tests.film_rl.analysis.by_hand import FILM


def test_shares_and_extremes_are_those_counted_by_hand():
    found = statistics(FILM, ["block 1", "block 2"])
    assert found["conditions"] == 3
    first = found["blocks"]["block 1"]
    assert first["gamma"]["negative"] == pytest.approx(1 / 6)
    assert first["gamma"]["near_zero"] == pytest.approx(1 / 6)  # 0.05
    assert (first["gamma"]["min"], first["gamma"]["max"]) == (-2, 4)
    assert first["gamma"]["mean"] == pytest.approx(7.05 / 6)
    assert first["beta"]["negative"] == pytest.approx(2 / 6)
    second = found["blocks"]["block 2"]["beta"]
    assert second["near_zero"] == pytest.approx(4 / 6)  # 0 three times, and -0.09
    assert second["negative"] == pytest.approx(2 / 6)
    everything = found["all"]
    assert everything["gamma"]["negative"] == pytest.approx(2 / 12)
    assert everything["gamma"]["near_zero"] == pytest.approx(3 / 12)
    assert everything["beta"]["negative"] == pytest.approx(4 / 12)
    assert (everything["beta"]["min"], everything["beta"]["max"]) == (-3, 6)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(-100, 100)))
def test_every_value_is_in_one_bin_of_the_histogram(values):
    found = spread(torch.from_numpy(values))
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    assert len(counts) == BINS
    assert sum(counts) == len(values)
    assert edges[0] <= found["min"] <= found["max"] <= edges[-1] + 1e-9
    assert found["negative"] == pytest.approx((values < 0).mean())
    assert found["std"] == pytest.approx(values.std(), abs=1e-6)


def test_a_feature_s_gammas_and_betas_and_their_means_by_label():
    found = scatter(FILM[0], [1, 0], ["red", "blue", "red"])
    assert list(found["features"]) == [1, 0]
    points = found["features"][1]
    assert points["gamma"] == [-2, 4, 1]
    assert points["beta"] == [-1, 0.5, 2]
    assert points["means"] == {
        "blue": {"gamma": 4, "beta": 0.5, "conditions": 1},
        "red": {"gamma": -0.5, "beta": 0.5, "conditions": 2},
    }
    with pytest.raises(ValueError, match="feature 2; expected 0 to 1"):
        scatter(FILM[0], [2], ["red"] * 3)


def test_the_features_whose_gamma_moves_most_come_first():
    gamma = torch.tensor([[0.0, 5.0, 1.0], [1.0, 5.0, -1.0]])
    assert most_moved(gamma, 2) == [2, 0]
