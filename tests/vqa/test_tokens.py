"""Tokens have the ids of the reference."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_rl.run import UserError
from vqa.errors import DataError
from vqa.questions import load_questions
from vqa.tokens import SPECIAL, QuestionVocabulary, tokenize

SMALL = QuestionVocabulary.from_questions(["Are there any cubes?", "There is a cube; what is it?"])


@pytest.fixture(scope="module")
def official(clevr_samples) -> dict:
    return json.loads((clevr_samples / "vocab.json").read_text())


@pytest.fixture(scope="module")
def val_questions(clevr_samples) -> list[str]:
    """The first 1,000 official val questions, in which every official token occurs."""
    file = clevr_samples / "val_questions_0000_0999.json"
    return [each["question"] for each in json.loads(file.read_text())]


@pytest.mark.parametrize(
    ("question", "tokens"),
    [
        ("Is it a cube?", ["Is", "it", "a", "cube"]),
        ("There is a cube; what is it?", ["There", "is", "a", "cube", ";", "what", "is", "it"]),
        ("a, b", ["a", ",", "b"]),
        ("the same as  the cube", ["the", "same", "as", "", "the", "cube"]),
        ("a;b.c", ["a", ";bc"]),
        ("Cube cube", ["Cube", "cube"]),
        (" a ", ["", "a", ""]),
        ("", [""]),
    ],
)
def test_a_question_is_split_as_the_reference_splits_it(question, tokens):
    assert tokenize(question) == tokens


def test_the_same_questions_give_the_official_ids(official, val_questions):
    vocabulary = QuestionVocabulary.from_questions(val_questions)
    assert vocabulary.ids == official["question_token_to_idx"]
    assert len(vocabulary) == 93


def test_the_saved_file_is_the_official_one(official, val_questions, clevr_samples, tmp_path):
    QuestionVocabulary.from_questions(val_questions).save(tmp_path / "vocab.json")
    assert json.loads((tmp_path / "vocab.json").read_text()) == official
    loaded = QuestionVocabulary.load(tmp_path / "vocab.json")
    assert loaded.words == QuestionVocabulary.load(clevr_samples / "vocab.json").words


@pytest.mark.parametrize(("threshold", "tokens"), [(1, 1094), (5, 427), (10, 323)])
def test_the_questions_of_humans_expand_it_as_in_the_reference(clevr_samples, threshold, tokens):
    official = QuestionVocabulary.load(clevr_samples / "vocab.json")
    humans = load_questions(clevr_samples / "CLEVR-Humans", "train")
    expanded = official.expand([each["question"] for each in humans], threshold)
    assert len(expanded) == tokens
    assert expanded.words[: len(official.words)] == official.words
    encoded = expanded.encode_all(humans, allow_unknown=True)
    unknown = expanded.ids["<UNK>"]
    assert any(unknown in ids for ids in encoded) == (threshold > 1)
    assert max(max(ids) for ids in encoded) == tokens - 1


def test_an_encoded_question_is_framed_and_padded(clevr_samples):
    vocabulary = QuestionVocabulary.load(clevr_samples / "vocab.json")
    assert vocabulary.encode("Are there any cubes?") == [1, 6, 85, 18, 33, 2]
    assert vocabulary.encode("Are there any cubes?", length=8) == [1, 6, 85, 18, 33, 2, 0, 0]
    assert vocabulary.decode([1, 6, 85, 18, 33, 2, 0]) == "<START> Are there any cubes <END>"


def test_every_real_question_has_ids(clevr_samples):
    vocabulary = QuestionVocabulary.load(clevr_samples / "vocab.json")
    for split in ("train", "val", "test"):
        questions = load_questions(clevr_samples / "CLEVR_v1.0", split)
        encoded = vocabulary.encode_all(questions)
        assert all(ids[0] == 1 and ids[-1] == 2 and 0 not in ids for ids in encoded)


words = st.sampled_from(SMALL.words[3:])


@settings(deadline=None, derandomize=True)
@given(st.lists(words.filter(bool), min_size=1, max_size=20))
def test_what_is_decoded_is_what_was_encoded(tokens):
    question = " ".join(["Are", *tokens]).replace(" ;", ";") + "?"
    assert SMALL.decode(SMALL.encode(question)).split(" ") == ["<START>", "Are", *tokens, "<END>"]


def test_unknown_tokens_are_refused_or_encoded_as_unknown():
    with pytest.raises(ValueError, match=r"'cubs' in 'Are there any cubs.' .* closest is 'cubes'"):
        SMALL.encode("Are there any cubs?")
    assert SMALL.decode(SMALL.encode("any cubs?", allow_unknown=True)) == "<START> any <UNK> <END>"
    with pytest.raises(ValueError, match="'cüb'"):
        SMALL.encode("any cüb?")


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_an_empty_question_is_refused(blank):
    with pytest.raises(ValueError, match="is empty; expected a sentence"):
        SMALL.encode(blank)


def test_a_question_of_a_thousand_words_is_refused():
    with pytest.raises(ValueError, match=r"has 1002 tokens .* expected at most 100"):
        SMALL.encode("any " * 999 + "cube")
    with pytest.raises(ValueError, match=r"has 4 tokens .* expected at most 3"):
        SMALL.encode("any cube", length=3)


def test_a_question_that_cannot_be_encoded_is_named_with_file_and_index():
    questions = [{"question": "any cube?"}, {"question": "any dog?"}]
    with pytest.raises(DataError, match=r"val.json, question 1: 'dog' in 'any dog.'"):
        SMALL.encode_all(questions, "val.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "has no 'question_token_to_idx'"),
        ([], "has no 'question_token_to_idx'"),
        ({"question_token_to_idx": {"<NULL>": "0"}}, "has no 'question_token_to_idx'"),
        ({"question_token_to_idx": {"a": 0, "b": 1}}, "expected <NULL>, <START>, <END>, <UNK>"),
        (
            {"question_token_to_idx": dict(zip(SPECIAL, range(4), strict=True)) | {"a": 5}},
            "each number up to 4 once",
        ),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, content, message):
    (tmp_path / "vocab.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"vocab.json: .*{message}"):
        QuestionVocabulary.load(tmp_path / "vocab.json")


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(UserError, match=r"there is no .*vocab.json"):
        QuestionVocabulary.load(tmp_path / "vocab.json")
