"""Where features come from, on a network computed by hand."""

import torch

from film_rl.analysis.where import outputs_of, parts_of, strength, stretched, where, winners
from tests.film_rl.analysis.by_hand import FILM, by_hand, network_by_hand


def test_a_cell_is_shown_by_the_channels_that_are_largest_there():
    x = torch.zeros(1, 4, 2, 3)
    x[0, 0, 0, 2] = x[0, 1, 0, 2] = x[0, 2, 1, 0] = 5.0  # channel 3 is 0 everywhere: dead
    assert winners(x).tolist() == [[[0, 0, 0.5], [0.25, 0, 0]]]
    x[0, 3, 0, :2] = 1.0  # two cells alike
    assert winners(x).tolist() == [[[0.125, 0.125, 0.5], [0.25, 0, 0]]]


def test_strength_is_the_root_mean_square_over_channels():
    x = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    torch.testing.assert_close(strength(x), torch.full((1, 1, 2), 12.5**0.5))
    assert stretched(torch.tensor([[[2.0, 4.0, 3.0]]])).tolist() == [[[0, 1, 0.5]]]


def test_winners_and_gradients_of_every_part_are_those_computed_by_hand():
    network = network_by_hand()
    x = torch.rand(3, 2, 2, 2)
    weight = torch.rand(2, 2, 2)  # one score: a weighted sum of the last features

    def scores():
        return (network.modulate(x.requires_grad_(), FILM) * weight).sum(dim=(1, 2, 3))[:, None]

    found = where(parts_of(network), scores)
    first, second = by_hand(x)
    torch.testing.assert_close(found.scores[:, 0], (second * weight).sum(dim=(1, 2, 3)).detach())
    assert list(found.winners) == ["stem", "block 1", "block 2"]
    torch.testing.assert_close(found.winners["block 1"], winners(first))
    torch.testing.assert_close(found.winners["block 2"], winners(second))
    # d score / d block 2 = weight; one block earlier times gamma, where the ReLU let it through.
    gamma_2, gamma_1 = (gamma[:, :, None, None] for gamma, _ in reversed(FILM))
    of_second = weight.expand(3, 2, 2, 2)
    of_first = of_second * gamma_2 * (second > 0)
    of_stem = of_first * gamma_1 * (first > 0)
    for name, by in zip(found.gradients, (of_stem, of_first, of_second), strict=True):
        torch.testing.assert_close(found.gradients[name], strength(by))


def test_nothing_stays_behind():
    network = network_by_hand()
    with outputs_of(parts_of(network)) as kept:
        network.modulate(torch.rand(3, 2, 1, 1), FILM)
    assert list(kept) == ["stem", "block 1", "block 2"]
    assert not any(module._forward_hooks for module in network.modules())
