"""Where the network looked."""

import torch

from tests.vqa.test_model import TOKENS
from tests.vqa.toy import TOY
from vqa.attention import look
from vqa.model import QuestionAnswerer


def test_looking_changes_no_answer_and_shows_every_part():
    model = QuestionAnswerer(TOY, vocab_size=10, num_answers=4).eval()
    images = torch.rand(3, 3, 16, 16)
    probabilities, maps = look(model, images, TOKENS)
    torch.testing.assert_close(probabilities, model(images, TOKENS).softmax(1))
    assert list(maps) == ["stem", "block 1", "block 2", "pooled from"]
    for each in maps.values():
        assert each.shape == (3, 4, 4)
        assert each.amin() == 0
        assert each.amax() == 1
    assert not any(module._forward_hooks for module in model.modules())


def test_the_stem_does_not_hear_the_question_and_the_blocks_do():
    model = QuestionAnswerer(TOY, vocab_size=10, num_answers=4).eval()
    image = torch.rand(1, 3, 16, 16).expand(3, -1, -1, -1)
    _, maps = look(model, image, TOKENS)
    torch.testing.assert_close(maps["stem"][0], maps["stem"][1])
    assert not torch.allclose(maps["block 2"][0], maps["block 2"][1])
