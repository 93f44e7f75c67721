"""Two sets of questions compared: what is equal has no distance, and chance is what it says."""

import json
import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from film_rl.run import UserError
from vqa.families import family_of
from vqa.generate import generate_questions
from vqa.question_pictures import question_shares
from vqa.question_statistics import (
    CHANCE,
    GENERATED,
    OFFICIAL,
    by_chance,
    compared,
    distance,
    read_questions,
    shares,
)
from vqa.scene_generator import generate_scenes

REAL = (
    Path(os.environ.get("FILM_RL_CLEVR_SAMPLES", Path(__file__).parents[3] / "shared/data/clevr"))
    / "val_questions_0000_0999.json"
)
COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1).map(Counter)


@pytest.fixture(scope="module")
def questions():
    scenes = generate_scenes(40, seed=3, visible_pixels=0)
    return generate_questions(scenes, seed=3)


@given(COUNTS, COUNTS)
def test_the_distance_is_that_of_a_metric_and_the_largest_difference_of_any_event(first, second):
    there, back = distance(first, second), distance(second, first)
    more = [v for v in first if first[v] / first.total() > second[v] / second.total()]
    event = sum(first[v] / first.total() - second[v] / second.total() for v in more)
    assert there["apart, %"] == back["apart, %"] == pytest.approx(100 * event, abs=0.051)
    assert distance(first, Counter({v: 3 * n for v, n in first.items()}))["apart, %"] == 0


@given(COUNTS, COUNTS)
def test_shares_are_of_the_whole(first, second):
    table = dict(shares(first, second))
    assert table.keys() == {*first, *second}
    for column in (OFFICIAL, GENERATED):
        assert sum(row[column] for row in table.values()) == pytest.approx(100, abs=0.06 * 6)


def test_chance_is_exceeded_by_one_pair_of_samples_in_twenty():
    rng, source = Random(0), Counter(a=500, b=300, c=150, d=50)
    values, weights = zip(*source.items(), strict=True)

    def sample(size):
        return Counter(rng.choices(values, weights, k=size))

    limit = 100 * by_chance(sample(200), source)
    above = sum(distance(sample(200), sample(1000))["apart, %"] > limit for _ in range(200))
    assert 1 <= above <= 25


def test_four_times_as_many_questions_halve_what_chance_makes():
    few, many = Counter(a=60, b=30, c=10), Counter(a=240, b=120, c=40)
    assert by_chance(many, many) == pytest.approx(by_chance(few, few) / 2, rel=0.15)


def test_a_set_beside_itself_is_not_apart(questions):
    figures = compared(questions, questions)
    for table in ("distances", "answers"):
        assert all(row["apart, %"] == 0 < row[CHANCE] for row in figures[table].values())
    for row in figures["numbers"].values():
        assert row["official"] == row["generated"]
    assert figures["numbers"]["questions"]["official"] == len(questions)


def test_programs_read_from_the_english_give_the_same_figures(questions, tmp_path):
    """But for programs of two families, those that describe nothing: they count for the first."""
    plain = [q for q in questions if family_of(q["program"]) == q["question_family_index"]]
    assert len(plain) > 0.9 * len(questions)
    (tmp_path / "official.json").write_text(json.dumps({"info": {}, "questions": plain}))
    bare = [{"question": q["question"], "answer": q["answer"]} for q in plain]
    (tmp_path / "bare.json").write_text(json.dumps(bare))
    both = [read_questions(tmp_path / f"{name}.json") for name in ("official", "bare")]
    assert compared(*both) == compared(both[0], both[0])


@pytest.mark.skipif(not REAL.is_file(), reason=f"no real questions at {REAL}")
def test_real_questions_have_one_family_and_programs_of_the_official_length():
    for question in read_questions(REAL):
        assert len(question["program"]) == question["program_length"]
        assert 0 <= question["question_family_index"] < 90


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "not valid JSON"),
        ("[]", "no question"),
        ('{"questions": []}', "no question"),
        ("[3]", "question 0"),
        ('[{"question": "Are there any cubes?"}]', "with its answer"),
        ('[{"question": "Are there any crabs?", "answer": "no"}]', "crabs"),
        (
            '[{"question": "Are there any cubes?", "answer": "no", "program_length": 9}]',
            "9 functions",
        ),
    ],
)
def test_a_file_that_cannot_be_compared_is_named_with_what_is_wrong(content, words, tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        read_questions(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        read_questions(tmp_path / "nowhere.json")


def test_the_picture_is_drawn_from_the_figures_alone(questions, tmp_path):
    figures = json.loads(json.dumps(compared(questions[:200], questions)))
    path = question_shares(tmp_path / "new" / "shares.png", figures, "a title")
    with Image.open(path) as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10
