"""Maps of sentences, and who is next to whom."""

import numpy as np
import pytest
import torch

from film_rl.analysis.projection import projection, same_label_nearby


def clusters(sizes, apart):
    """gammas and betas in clusters, and the name of each one's cluster."""
    generator = torch.Generator().manual_seed(0)
    labels = [str(index) for index, size in enumerate(sizes) for _ in range(size)]
    centres = apart * torch.randn(len(sizes), 8, generator=generator)
    values = centres[[int(label) for label in labels]]
    values = values + torch.randn(len(labels), 8, generator=generator)
    return (values[:, :5], values[:, 5:]), labels


def test_clusters_stay_together_on_the_map_and_it_is_the_same_each_time():
    pair, labels = clusters([12, 12, 12], apart=30)
    found = projection(pair)
    assert found == projection(pair)
    assert found["perplexity"] == pytest.approx(35 / 3)
    points, of = np.array(found["points"]), np.array(labels)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (of[distance.argmin(axis=1)] == of).all()


def test_neighbours_share_a_label_where_it_orders_them_and_by_chance_where_not():
    pair, labels = clusters([10, 20, 30], apart=100)
    near = same_label_nearby(pair, labels)
    assert near["nearby"] == 1
    pairs = [labels[i] == labels[j] for i in range(60) for j in range(60) if i != j]
    assert near["chance"] == pytest.approx(np.mean(pairs))
    shuffled = [labels[i] for i in torch.randperm(60, generator=torch.Generator().manual_seed(1))]
    assert abs(same_label_nearby(pair, shuffled)["nearby"] - near["chance"]) < 0.15


def test_by_hand():
    pair = (torch.tensor([[0.0], [1.0], [3.0], [3.5]]), torch.zeros(4, 1))
    # b has no other; the two nearest of the a's are: a a, a a, b a.
    found = same_label_nearby(pair, ["a", "a", "a", "b"])
    assert found == pytest.approx({"nearby": 2.5 / 3, "chance": 2 / 3})
    assert same_label_nearby(pair, ["a", "a", "a", "a"]) == {"nearby": 1, "chance": 1}


def test_too_few_sentences_are_refused():
    with pytest.raises(ValueError, match="3 sentences are too few"):
        projection((torch.rand(3, 2), torch.rand(3, 2)))
