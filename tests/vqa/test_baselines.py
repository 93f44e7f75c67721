"""The question-only baseline reads the question and nothing else."""

import torch

from vqa.baselines import QuestionOnly

TOKENS = torch.tensor([[1, 5, 6, 2, 0, 0], [1, 7, 8, 9, 3, 2], [1, 5, 6, 2, 0, 0]])


def test_images_and_padding_do_not_matter_and_words_do():
    model = QuestionOnly(vocab_size=10, num_answers=4).eval()
    images = torch.rand(3, 3, 8, 8)
    logits = model(images, TOKENS)
    torch.testing.assert_close(logits, model(torch.zeros(0), TOKENS))
    torch.testing.assert_close(logits[0], logits[2])
    torch.testing.assert_close(logits[:1], model(images, TOKENS[:1, :4]))
    assert not torch.allclose(logits[0], logits[1])


def test_it_is_the_last_state_of_an_lstm_and_a_hidden_layer():
    model = QuestionOnly(vocab_size=10, num_answers=4, word_dim=3, hidden_dim=5)
    state = model.lstm(model.embedding(TOKENS[1]))[1][0][-1]
    expected = model.classifier(state)
    torch.testing.assert_close(model(torch.zeros(0), TOKENS)[1], expected)
