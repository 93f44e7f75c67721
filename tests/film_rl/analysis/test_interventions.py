"""Noise, means and maps switched off, on a network computed by hand."""

import pytest
import torch

from film_rl.analysis.interventions import (
    changed,
    maps_switched_off,
    mean_replacement,
    means_of,
    noise,
    noise_curves,
    replaced,
    switched_off,
)
from film_rl.analysis.subject import block_names
from tests.film_rl.analysis.by_hand import FILM, by_hand, network_by_hand

X = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(3, 2, 1, 1)
TOKENS = torch.ones(3, 2, dtype=torch.long)


def output(network):
    return network(X, TOKENS).detach()


def total(network):
    """A number to measure: the sum of all that comes out."""
    return lambda: output(network).sum().item()


def expected(film):
    return by_hand(X, film)[-1]


def test_the_generator_s_answer_is_changed_inside_and_only_there():
    network = network_by_hand()
    torch.testing.assert_close(output(network), expected(FILM))
    doubled = [(2 * gamma, beta) for gamma, beta in FILM]
    with changed(network, lambda film: [(2 * gamma, beta) for gamma, beta in film]):
        torch.testing.assert_close(output(network), expected(doubled))
    torch.testing.assert_close(output(network), expected(FILM))
    network.generator = None
    with pytest.raises(ValueError, match="conditioning='none'"), changed(network, lambda f: f):
        pass


@pytest.mark.parametrize("which", ["gamma", "beta", "both"])
def test_noise_changes_what_it_should_by_what_was_drawn(which):
    network = network_by_hand()
    with changed(network, noise(0.0, which, torch.Generator().manual_seed(5))):
        assert output(network).equal(expected(FILM))
    generator = torch.Generator().manual_seed(5)
    noisy = []
    for gamma, beta in FILM:
        moved = [
            p + 0.5 * torch.randn(p.shape, generator=generator) if which in (name, "both") else p
            for name, p in (("gamma", gamma), ("beta", beta))
        ]
        noisy.append(tuple(moved))
    with changed(network, noise(0.5, which, torch.Generator().manual_seed(5))):
        torch.testing.assert_close(output(network), expected(noisy))
    with pytest.raises(ValueError, match="did you mean"):
        noise(0.5, which + "s", generator)


def test_noise_has_the_standard_deviation_it_says():
    change = noise(3.0, "beta", torch.Generator().manual_seed(0))
    ((gamma, beta),) = change([(torch.ones(500, 400), torch.full((500, 400), 2.0))])
    assert gamma.eq(1).all()
    assert beta.mean().item() == pytest.approx(2, abs=0.05)
    assert beta.std().item() == pytest.approx(3, abs=0.05)


def test_curves_begin_at_the_plain_number_and_come_out_alike_each_time():
    network = network_by_hand()
    found = noise_curves(network, total(network), sizes=(0.0, 0.5))
    assert found == noise_curves(network, total(network), sizes=(0.0, 0.5))
    assert found["sizes"] == [0.0, 0.5]
    assert found["plain"] == expected(FILM).sum().item()
    for which in ("gamma", "beta", "both"):
        assert found[which][0] == found["plain"]
        assert found[which][1] != found["plain"]


def test_a_mean_takes_the_place_of_every_sentence_s_own():
    network = network_by_hand()
    means = means_of(FILM)
    torch.testing.assert_close(means[0][0], torch.tensor([4.05 / 3, 1.0]))
    torch.testing.assert_close(means[1][1], torch.tensor([-0.59 / 3, 2.0]))
    mean_gammas = [
        (mean.expand_as(gamma), beta) for (mean, _), (gamma, beta) in zip(means, FILM, strict=True)
    ]
    with changed(network, replaced(means, "gamma")):
        torch.testing.assert_close(output(network), expected(mean_gammas))
    found = mean_replacement(network, total(network), FILM)
    assert list(found) == ["plain", "gamma", "beta", "both"]
    assert found["plain"] == expected(FILM).sum().item()
    assert found["gamma"] == pytest.approx(expected(mean_gammas).sum().item())
    with changed(network, replaced(means, "both")):
        assert output(network)[0].equal(output(network)[2])  # no sentence differs from another


def test_a_map_switched_off_is_zero_and_the_others_as_before():
    network = network_by_hand()
    with changed(network, switched_off(1, 0)):
        found = output(network)
    assert found[:, 0].eq(0).all()
    assert found[:, 1].equal(expected(FILM)[:, 1])


def test_maps_are_ranked_by_the_harm_they_do():
    network = network_by_hand()
    maps = [(block, feature) for block in (0, 1) for feature in (0, 1)]
    found = maps_switched_off(network, total(network), maps)
    harms = [row["harm"] for row in found["maps"]]
    assert harms == sorted(harms, reverse=True)
    for row in found["maps"]:
        with changed(network, switched_off(row["block"], row["feature"])):
            assert row["measured"] == total(network)()
        assert row["harm"] == found["plain"] - row["measured"]
    assert {(row["block"], row["feature"]) for row in found["maps"]} == set(maps)


@pytest.mark.parametrize(
    ("block", "feature", "words"),
    [(2, 0, "block 2; expected 0 to 1"), (-1, 0, "block -1"), (0, 2, "feature 2; expected 0 to 1")],
)
def test_what_is_out_of_range_is_refused(block, feature, words):
    network = network_by_hand()
    with pytest.raises(ValueError, match=words):
        maps_switched_off(network, total(network), [(block, feature)])


def test_blocks_keep_their_names_where_not_all_are_steered():
    network = network_by_hand()
    assert block_names(network) == ["block 1", "block 2"]
