"""The way between two sentences."""

import pytest
import torch

from film_rl.analysis.interpolation import between
from film_rl.film import take
from tests.film_rl.analysis.by_hand import BETAS, FILM, GAMMAS


def test_both_ends_are_the_sentences_and_the_middle_their_mean():
    first, last = (take(FILM, torch.tensor([row])) for row in (0, 2))
    way = between(first, last, steps=5)
    for (gamma_5C, beta_5C), gamma_BC, beta_BC in zip(way, GAMMAS, BETAS, strict=True):
        assert gamma_5C.shape == (5, 2)
        for values_5C, of_BC in ((gamma_5C, gamma_BC), (beta_5C, beta_BC)):
            assert values_5C[0].equal(of_BC[0])
            assert values_5C[4].equal(of_BC[2])
            torch.testing.assert_close(values_5C[2], (of_BC[0] + of_BC[2]) / 2)
            torch.testing.assert_close(values_5C[1], 0.75 * of_BC[0] + 0.25 * of_BC[2])


def test_one_step_is_no_way():
    with pytest.raises(ValueError, match="2 or more"):
        between(FILM, FILM, steps=1)
