"""What lies between a folder and the tensors of training: unknown words, missing answers."""

from dataclasses import replace

import pytest

from film_rl.run import RunFolder, UserError
from tests.vqa.test_dataset import question, write_split
from tests.vqa.toy import TOY
from vqa.dataset import open_folder
from vqa.errors import DataError
from vqa.prepare import load_answerer, to_split, training_data, unknown_words, vocabulary_of
from vqa.tokens import UNKNOWN, QuestionVocabulary


def test_words_that_training_did_not_hold_are_read_as_unknown_and_counted(tmp_path):
    write_split(tmp_path, "train", [0, 1])
    names = ["CLEVR_val_000000.png", "CLEVR_val_000001.png"]
    asked = [question(0, names[0]), question(1, names[1]) | {"question": "how many Things are?"}]
    write_split(tmp_path, "val", [0, 1], questions=asked)
    train, val = (open_folder(tmp_path, split, 8, tmp_path) for split in ("train", "val"))
    vocabulary = vocabulary_of(train)
    tokens = to_split(val, vocabulary).table.tokens
    ids = [vocabulary.ids[token] for token in ("<START>", UNKNOWN, "many", UNKNOWN, "are", "<END>")]
    assert tokens[1].tolist() == [*ids, 0]
    assert unknown_words(val, vocabulary) == [(1, "how")]
    assert unknown_words(train, vocabulary) == []


@pytest.mark.parametrize("split", ["train", "val"])
def test_training_names_a_question_without_answer(tmp_path, split):
    for seed, each in enumerate(("train", "val")):
        asked = [question(index, f"CLEVR_{each}_{index:06}.png") for index in range(2)]
        if each == split:
            del asked[1]["answer"]
        write_split(tmp_path, each, [0, 1], seed, questions=asked)
    config = replace(TOY, data=str(tmp_path), cache=str(tmp_path), image_size=8, val_images=0)
    with pytest.raises(DataError, match=rf"CLEVR_{split}_questions.json, question 1: has no answ"):
        training_data(config)


def test_any_two_splits_of_a_folder_can_be_chosen(tmp_path):
    for seed, each in enumerate(("trainA", "valA", "valB")):
        write_split(tmp_path, each, [0, 1], seed)
    config = replace(TOY, data=str(tmp_path), cache=str(tmp_path), image_size=8, val_images=0)
    train, val, first = training_data(replace(config, train_split="trainA", val_split="valB"))
    assert "trainA" in train.source
    assert "valB" in val.source
    assert first is None
    with pytest.raises(DataError, match="no questions of split 'train'"):
        training_data(config)


def test_a_run_that_was_not_trained_answers_no_questions(tmp_path):
    run = RunFolder.create(tmp_path / "run", TOY)
    for _ in range(2):  # before its vocabulary is written, and after
        with pytest.raises(UserError, match="no checkpoint yet; train it with --run"):
            load_answerer(run, "cpu")
        QuestionVocabulary(["red"]).save(run.path / "vocab.json")
