"""Batches are a function of seed and step; each epoch asks every question once."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_rl.run import UserError
from vqa.batches import (
    ALL,
    EASY,
    FIRST,
    Batches,
    QuestionTable,
    batch_of,
    question_table,
    shifted,
)
from vqa.config import VQAConfig

CONFIG = VQAConfig(batch_size=12, share=4, steps=20, first=0.0, easy=0.5, shift=0, seed=3)


def table(images: int, per_image: int) -> QuestionTable:
    """Question q of image i has the tokens i + 1, q + 1, then as many more as q says."""
    rows = [(i, q) for i in range(images) for q in range(per_image)]
    tokens = [[i + 1, q + 1] + [9] * q for i, q in rows]
    answers = [{"answer": "ab"[q % 2]} for _, q in rows]
    made = question_table(answers, tokens, [i for i, _ in rows], ["a", "b"])
    return replace(made, stage=torch.tensor([EASY if q % 3 == 2 else ALL for _, q in rows]))


def pictures(images: int) -> torch.Tensor:
    """The picture of image i is i everywhere."""
    return torch.arange(images, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 6, 8)


def asked(batch) -> Counter:
    return Counter((int(i) - 1, int(q) - 1) for i, q in batch.tokens[:, :2])


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_an_epoch_asks_every_question_once():
    questions = replace(table(6, 8), stage=torch.full((48,), ALL))
    batches = Batches(pictures(6), questions, CONFIG)
    epochs = [sum((asked(batches[e * 4 + i]) for i in range(4)), Counter()) for e in range(2)]
    assert epochs[0] == epochs[1] == Counter((i, q) for i in range(6) for q in range(8))
    assert not same(batches[0], batches[4])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 5), st.integers(0, 19))
def test_a_batch_shares_images_and_asks_about_the_right_ones(images, per_image, share, step):
    config = replace(CONFIG, share=share)
    batch = Batches(pictures(images), table(images, per_image), config)[step]
    assert len(batch.images) <= max(1, config.batch_size // share)
    pixel_Q = batch.images[batch.rows, 0, 0, 0]
    assert torch.equal(pixel_Q.long(), batch.tokens[:, 0] - 1)
    assert len(batch.answers) <= config.batch_size
    assert torch.equal((batch.tokens > 0).sum(1), batch.lengths)
    assert batch.tokens.shape[1] == batch.lengths.max()


def test_easy_questions_come_first():
    batches = Batches(pictures(6), table(6, 8), CONFIG)
    assert batches.starts == {EASY: 0, ALL: 10}
    for step in range(20):
        assert {q % 3 < 2 for _, q in asked(batches[step])} == {step >= 10}


def test_without_programs_there_is_no_easy_phase():
    questions = replace(table(6, 8), stage=torch.full((48,), ALL))
    assert Batches(pictures(6), questions, CONFIG).starts == {ALL: 0}


def test_the_first_images_come_first_and_never_again():
    questions = table(6, 8)
    first = questions.images < 2
    questions = replace(questions, stage=questions.stage.masked_fill(first, FIRST))
    batches = Batches(pictures(6), questions, replace(CONFIG, first=0.2, easy=0.3))
    assert batches.starts == {FIRST: 0, EASY: 4, ALL: 10}
    for step in range(20):
        assert {i < 2 for i, _ in asked(batches[step])} == {step < 4}
        assert batches.stage(step) == (step >= 4) + (step >= 10)


def test_batches_are_the_same_in_any_order_from_any_start_with_any_workers():
    config = replace(CONFIG, shift=2)

    def batches(workers=0):
        return Batches(pictures(6), table(6, 8), replace(config, workers=workers))

    one = [batches()[step] for step in reversed(range(20))][::-1]
    for workers, start in ((0, 0), (0, 13), (2, 7)):
        for step, batch in enumerate(batches(workers).loader(start), start=start):
            assert same(batch, one[step])
    other_seed = Batches(pictures(6), table(6, 8), replace(config, seed=4))
    assert not same(other_seed[0], one[0])


def test_memory_mapped_images_give_the_same_batches(tmp_path):
    on_disk = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(6, 3, 6, 8))
    on_disk[:] = pictures(6).numpy()
    in_memory = Batches(pictures(6), table(6, 8), CONFIG)
    assert same(Batches(on_disk, table(6, 8), CONFIG)[3], in_memory[3])


def test_epochs_say_how_long_where_steps_do_not():
    config = replace(CONFIG, steps=0, epochs=5)
    assert Batches(pictures(6), table(6, 8), config).steps == 5 * 4


def test_a_shift_moves_the_picture_and_repeats_its_border():
    image = torch.arange(48, dtype=torch.uint8).reshape(1, 1, 6, 8)
    padded = torch.nn.functional.pad(image.float(), (2, 2, 2, 2), mode="replicate").byte()
    windows = [padded[:, :, y : y + 6, x : x + 8] for y in range(5) for x in range(5)]
    moves = torch.cartesian_prod(torch.arange(-2, 3), torch.arange(-2, 3))
    moved = [shifted(image, move[:, None]) for move in moves]
    assert torch.equal(torch.stack(moved), torch.stack(windows))


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_parts_of_a_batch_are_the_batch_whatever_their_number(parts):
    """Each image, as it is moved, with each of its questions: the same set."""

    def shown(batch):
        pixels = [tuple(image.flatten().tolist()) for image in batch.images]
        return Counter(
            (pixels[row], tuple(tokens[:length].tolist()), int(answer))
            for row, tokens, length, answer in zip(
                batch.rows, batch.tokens, batch.lengths, batch.answers, strict=True
            )
        )

    config = replace(CONFIG, batch_size=12, share=3, shift=2)
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    whole = Batches(images, table(6, 8), config)
    each = [Batches(images, table(6, 8), config, (part, parts)) for part in range(parts)]
    for step in range(whole.steps):
        divided = [shown(batches[step]) for batches in each]
        assert sum(divided, Counter()) == shown(whole[step])
        assert all(divided)


def test_a_batch_that_cannot_be_divided_equally_is_refused():
    config = replace(CONFIG, batch_size=12, share=3)
    with pytest.raises(UserError, match=r"batch of 4 images .* 3 processes; type --batch-size 18"):
        Batches(pictures(6), table(6, 8), config, (0, 3))
    Batches(pictures(6), table(6, 8), replace(config, batch_size=18), (0, 3))


def test_each_image_of_a_batch_is_there_once():
    batch = batch_of(pictures(6), table(6, 8), torch.tensor([40, 3, 41, 0]))
    assert batch.images[:, 0, 0, 0].tolist() == [0, 5]
    assert batch.rows.tolist() == [1, 0, 1, 0]


def test_easy_is_what_the_generator_marked():
    questions = [{"answer": "a", "easy": True}, {"answer": "a"}]
    made = question_table(questions, [[1], [2]], [0, 0], ["a"])
    assert made.stage.tolist() == [EASY, ALL]


def test_questions_without_a_known_answer_cannot_be_trained_on():
    questions = question_table([{"answer": "a"}, {}], [[1], [2]], [0, 0], ["a"])
    assert questions.answers.tolist() == [0, -1]
    with pytest.raises(UserError, match="an answer that CLEVR knows"):
        Batches(pictures(1), questions, CONFIG)
    with pytest.raises(UserError, match="training needs questions"):
        Batches(pictures(1), question_table([], [], [], ["a"]), CONFIG)


@pytest.mark.parametrize("easy", [0.0, 0.01, 0.5])
def test_questions_that_are_all_easy_cannot_be_trained_on(easy):
    questions = replace(table(6, 8), stage=torch.full((48,), EASY))
    with pytest.raises(UserError, match='all 48 questions are marked "easy"'):
        Batches(pictures(6), questions, replace(CONFIG, easy=easy))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_images_on_a_gpu_give_the_same_batches():
    config = replace(CONFIG, shift=2)
    on_gpu = Batches(pictures(6).contiguous().cuda(), table(6, 8), config)[3]
    assert on_gpu.images.is_cuda
    on_cpu = Batches(pictures(6), table(6, 8), config)[3]
    assert same(on_gpu._replace(images=on_gpu.images.cpu()), on_cpu)
