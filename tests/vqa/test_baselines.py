"""The question-only baseline reads the question and nothing else."""

from itertools import islice

import torch

from tests.vqa.toy import toy_split
from vqa.baselines import alike
from vqa.systems.lstm import QuestionOnly

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
    model = QuestionOnly(vocab_size=10, num_answers=4, word_dim=3, dim=5)
    question = model.question
    state = question.lstm(question.embedding(TOKENS[1]))[1][0][-1]
    expected = model.classifier(state)
    torch.testing.assert_close(model(torch.zeros(0), TOKENS)[1], expected)


def test_an_epoch_asks_every_question_of_the_data_once_with_those_of_one_length_together():
    table = toy_split(40, seed=0).table
    batches = list(islice(alike(table, 10, seed=3), 24))
    epochs = [torch.cat(batches[:12]), torch.cat(batches[12:])]
    assert not torch.equal(*epochs)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(120))  # those after are the easy ones
    assert sum(len(table.lengths[rows].unique()) for rows in batches) < 2 * len(batches)
