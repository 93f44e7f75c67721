"""The three questions of the arithmetic: seen in A, otherwise the same; exact where it must be."""

from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from film_rl import FiLMGenerator
from film_rl.analysis.arithmetic import analogy
from tests.vqa.tiny import TINY, trained_run
from vqa.generate import generate_questions
from vqa.parse import parse_question
from vqa.prepare import load_answerer, training_data
from vqa.scene_generator import generate_scenes, permitted_looks
from vqa.terms import to_term
from vqa.tokens import tokenize
from vqa.write import write_question
from vqa.zero_shot import SEEN, UNSEEN, Choice, choose, figures, pairs


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Questions about scenes of condition B."""
    scenes = generate_scenes(60, 3, palette="B", visible_pixels=0)
    return [question["question"] for question in generate_questions(scenes, 3)]


def skeleton(question: str) -> object:
    """What a question asks, its colours and shapes left out."""

    def without(part):
        if not isinstance(part, tuple) or not part:
            return part
        if part[0] == "filter":
            size, color, material, shape = part[1]
            kept = (size, color is None, material, shape is None)
            return ("filter", kept, without(part[2]))
        return tuple(without(inner) for inner in part)

    return without(to_term(parse_question(question)[0]))


def test_unseen_is_what_b_has_and_a_has_not():
    in_b = {(look["color"], look["shape"]) for look in permitted_looks("B")}
    assert in_b - SEEN == UNSEEN
    assert len(UNSEEN) == 8
    assert ("cyan", "cube") in UNSEEN
    assert ("blue", "cylinder") in UNSEEN
    assert not any(shape == "sphere" for _, shape in UNSEEN)


def test_all_three_are_read_name_no_unseen_pair_and_are_the_same_question_otherwise(asked):
    applied = 0
    for question in asked:
        choice = choose(question)
        assert set(choice.unseen) == set(pairs(to_term(parse_question(question)[0]))) & UNSEEN
        if choice.related is None:
            continue
        applied += 1
        for other in choice.related:
            assert not set(pairs(to_term(parse_question(other)[0]))) & UNSEEN
            assert skeleton(other) == skeleton(question)
            assert len(tokenize(other)) == len(tokenize(question))
            differ = [a != b for a, b in zip(tokenize(other), tokenize(question), strict=True)]
            assert 0 < sum(differ) <= 2 * question.count(" ")
    assert applied > 50


def test_each_word_of_a_changed_phrase_stands_twice_in_the_sum(asked):
    """The words of q1 and q2 together are those of q and q3: what is linear in them is exact."""
    for question in asked:
        related = choose(question).related
        if related:
            for q, shape, color, both in zip(*map(tokenize, (question, *related)), strict=True):
                assert sorted((shape, color)) == sorted((q, both))


@pytest.mark.parametrize(
    ("question", "shape", "color", "both"),
    [
        (
            "How many cyan cubes?",
            "How many cyan spheres?",
            "How many gray cubes?",
            "How many gray spheres?",
        ),
        (
            "What is the blue big cylinder made of?",
            "What is the blue big sphere made of?",
            "What is the red big cylinder made of?",
            "What is the red big sphere made of?",
        ),
        (
            "Are there more tiny cyan metal blocks than gray cubes?",
            "Are there more tiny cyan metal spheres than gray cubes?",
            "Are there more tiny blue metal blocks than gray cubes?",
            "Are there more tiny blue metal spheres than gray cubes?",
        ),
        (
            "Are there more cyan cubes than red cubes?",
            "Are there more cyan spheres than red spheres?",
            "Are there more gray cubes than blue cubes?",
            "Are there more gray spheres than blue spheres?",
        ),
    ],
)
def test_the_rule_by_example(question, shape, color, both):
    assert choose(question).related == (shape, color, both)


@pytest.mark.parametrize(
    "question",
    [
        "How many cyan things are there?",  # no shape
        "What shape is the cyan thing?",  # the pair is in the answer
        "How many blue cubes are there?",  # seen in A
    ],
)
def test_it_does_not_apply_without_an_unseen_pair(question):
    assert choose(question) == Choice((), None)


def test_it_does_not_apply_where_no_colour_is_left():
    question = (
        "How many cyan cubes are left of the gray thing that is left of the blue thing that is "
        "left of the brown thing that is left of the yellow thing?"
    )
    choice = choose(question)
    assert choice.unseen == (("cyan", "cube"),)
    assert choice.related is None
    with pytest.raises(ValueError, match="cannot read"):
        choose("Which cyan cube do you like?")


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_a_choice_depends_on_nothing_but_the_question(seed):
    program = parse_question("How many shiny cyan cubes are left of the large green cube?")[0]
    question = write_question(program, Random(seed))
    assert choose(question) == choose(question)
    assert choose(question).related is not None


def test_it_is_exact_where_the_parameters_are_linear_in_the_words(asked):
    """A bag of words and a linear generator: the analogy holds by construction."""
    words = sorted({word for question in asked for word in tokenize(question)} | {"sphere"})
    words = sorted({*words, "spheres", "gray", "blue", "brown", "red", "green", "purple"})
    torch.manual_seed(0)
    embedding = nn.Embedding(len(words), 16).double()
    generator = FiLMGenerator(16, [5, 3]).double()

    def parameters(question: str):
        ids = [words.index(word) for word in tokenize(question)]
        return generator(embedding(torch.tensor(ids)).sum(dim=0, keepdim=True))

    compared = 0
    for question in asked[:200]:
        if related := choose(question).related:
            made = analogy(*map(parameters, related))
            torch.testing.assert_close(made, parameters(question))
            compared += 1
    assert compared > 15


def right(row: dict) -> float:
    return row["accuracy"] * row["questions"]


def test_figures_of_a_network_add_up(tmp_path):
    splits = {"train_split": "trainA", "val_split": "valB", "val_images": 12}
    config = replace(TINY, **splits, cache=str(tmp_path))
    run = trained_run(config, tmp_path / "run")
    learner, config, vocabulary = load_answerer(run, "cpu")
    data = training_data(config)[1]
    found = figures(learner, data, vocabulary)
    assert found["questions"] == len(data) == 48
    assert 0 < found["applies"] <= found["unseen"] <= 48
    assert found["where_it_applies"]["after"]["questions"] == found["applies"]
    assert (
        sum(rows["before"]["questions"] for rows in found["by_type"].values()) == found["applies"]
    )
    right = {
        name: [
            rows[name]["accuracy"] * rows[name]["questions"] for rows in found["by_type"].values()
        ]
        for name in ("before", "after")
    }
    gained = sum(right["after"]) - sum(right["before"])
    overall = found["overall"]
    change = overall["after"]["accuracy"] - overall["before"]["accuracy"]
    assert 48 * change == pytest.approx(gained)
    assert all(len(example) == 4 for example in found["examples"])
