"""The relation network's pairs, computed cell by cell, are those of the plain loop over pairs."""

from dataclasses import replace

import torch

from tests.vqa.toy import TOY
from vqa.systems.rn import MOST_SIDE, FirstLayer, RelationNetwork


def test_the_first_layer_of_every_pair_is_the_linear_map_of_what_is_put_together():
    layer = FirstLayer(object_dim=3, sentence_dim=4, width=5)
    objects, z, rows = torch.randn(2, 6, 3), torch.randn(3, 4), torch.tensor([1, 0, 1])
    pairs = layer(objects, z, rows)
    for q in range(3):
        for i in range(6):
            for j in range(6):
                both = torch.cat([objects[rows[q], i], objects[rows[q], j], z[q]])
                torch.testing.assert_close(pairs[q, i, j], layer.linear(both))


def test_the_network_is_f_of_the_mean_over_all_pairs_of_g():
    model = RelationNetwork(TOY, vocab_size=10, num_answers=4).eval()
    image, tokens = torch.rand(1, 3, 16, 16), torch.tensor([[1, 5, 2]])
    cells = model.stem(image)[0]
    H, W = cells.shape[1:]
    objects = [
        torch.cat([cells[:, y, x], torch.tensor([2 * x / (W - 1) - 1, 2 * y / (H - 1) - 1])])
        for y in range(H)
        for x in range(W)
    ]
    z = model.question(tokens)[0]
    g = [
        model.relation(model.pairs.linear(torch.cat([one, other, z])).relu())
        for one in objects
        for other in objects
    ]
    expected = model.answer(torch.stack(g).mean(0))
    torch.testing.assert_close(model(image, tokens)[0], expected)


def test_many_cells_are_pooled_to_an_affordable_number():
    model = RelationNetwork(replace(TOY, stem_layers=1), vocab_size=10, num_answers=4).eval()
    seen = []
    model.pairs.register_forward_hook(lambda module, inputs, pairs: seen.append(pairs.shape))
    model(torch.rand(1, 3, 40, 40), torch.tensor([[1, 5, 2]]))
    assert seen[0][1:3] == (MOST_SIDE**2, MOST_SIDE**2)
