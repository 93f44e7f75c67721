"""Evaluation counts right answers, in every group, and swaps images thoroughly."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vqa.toy import toy_split
from vqa.evaluation import (
    COLUMNS,
    PUBLISHED,
    answers_of,
    counting_errors,
    evaluate,
    other_images,
    table_rows,
)
from vqa.questions import ANSWERS


def question(function: str, answer: str, family: int = 84, nodes: int = 3) -> dict:
    program = [{"function": "scene", "inputs": [], "value_inputs": []}] * (nodes - 1)
    return {
        "question": "How many things are there?",
        "answer": answer,
        "program": [*program, {"function": function, "inputs": [0], "value_inputs": []}],
        "question_family_index": family,
    }


QUESTIONS = [
    question("count", "3"),
    question("count", "4", nodes=5),
    question("exist", "yes", family=85),
    question("less_than", "no", family=2),
    question("equal_integer", "no", family=0),
    question("query_color", "red", family=88),
    question("equal_shape", "yes", family=12),
]
PREDICTED = ["3", "6", "yes", "no", "yes", "red", "no"]


def test_accuracy_in_every_group():
    result = evaluate(QUESTIONS, PREDICTED, objects=[3, 4, 3, 3, None, 4, 4])
    assert result["overall"] == {"accuracy": 4 / 7, "questions": 7}
    assert {name: row["accuracy"] for name, row in result["category"].items()} == {
        "count": 0.5,
        "exist": 1,
        "compare numbers": 0.5,
        "query attribute": 1,
        "compare attribute": 0,
    }
    assert result["type"]["less_than"] == {"accuracy": 1, "questions": 1}
    assert result["family"]["84"] == {"accuracy": 0.5, "questions": 2}
    assert result["objects"] == {
        "3": {"accuracy": 1, "questions": 3},
        "4": {"accuracy": 1 / 3, "questions": 3},
    }
    assert list(result["program_length"]) == ["3", "5"]
    assert result["question_length"]["5"]["questions"] == 7


def test_groups_are_in_the_order_of_numbers():
    questions = [question("count", "1", family=f, nodes=f) for f in (10, 9, 2)]
    result = evaluate(questions, ["1"] * 3)
    assert list(result["family"]) == list(result["program_length"]) == ["2", "9", "10"]


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["yes", "no", "3", "red"])), min_size=1)
)
def test_the_groups_of_a_breakdown_add_up_to_the_whole(pairs):
    questions, predicted = [QUESTIONS[i] for i, _ in pairs], [p for _, p in pairs]
    result = evaluate(questions, predicted, objects=[i for i, _ in pairs])
    right = result["overall"]["accuracy"] * len(pairs)
    for name in ("category", "type", "family", "objects", "program_length", "question_length"):
        rows = result[name].values()
        assert sum(row["questions"] for row in rows) == len(pairs)
        assert sum(row["questions"] * row["accuracy"] for row in rows) == pytest.approx(right)


def test_questions_without_programs_count_overall_only():
    bare = [{"question": "What is it?", "answer": "cube"}]
    result = evaluate(bare, ["cube"])
    assert result["overall"]["accuracy"] == 1
    assert [result[name] for name in ("category", "family", "objects")] == [{}, {}, {}]


def test_counting_errors_by_distance():
    counts = [question("count", str(n)) for n in (3, 3, 3, 3, 10)]
    result = counting_errors([*counts, question("exist", "yes")], ["3", "4", "2", "red", "3", "no"])
    assert result == {"errors": 4, "by_distance": {"1": 0.5, "7": 0.25, "no number": 0.25}}
    assert counting_errors(counts, ["3", "3", "3", "3", "10"])["by_distance"] == {}


def test_a_split_without_answers_cannot_be_scored():
    with pytest.raises(ValueError, match=r"question 1 has no answer.*--predictions"):
        evaluate([QUESTIONS[0], {"question": "What?"}], ["3", "4"])
    with pytest.raises(ValueError, match="shorter"):
        evaluate(QUESTIONS, PREDICTED[:-1])


@settings(derandomize=True, deadline=None)
@given(st.integers(2, 20), st.integers(0, 5))
def test_swapping_gives_every_question_another_image_and_every_image_once(images, seed):
    table = toy_split(images, seed=0).table
    swapped = other_images(table, seed)
    assert not (swapped.images == table.images).any()
    assert sorted(swapped.images.tolist()) == sorted(table.images.tolist())
    assert torch.equal(swapped.tokens, table.tokens)


def test_images_without_questions_take_no_part_in_the_swap():
    table = toy_split(10, seed=0).table
    some = table.take(torch.isin(table.images, torch.tensor([2, 5, 9])))
    assert set(other_images(some).images.tolist()) == {2, 5, 9}


def test_the_own_row_stands_among_the_published_ones():
    rows = table_rows(evaluate(QUESTIONS, PREDICTED), "this run")
    assert rows[-1] == ("this run", (57.1, 50.0, 100.0, 50.0, 100.0, 0.0))
    assert all(len(row) == len(COLUMNS) for _, row in rows)
    assert PUBLISHED["CNN+GRU+FiLM"][0] == 97.7
    only_counts = table_rows(evaluate(QUESTIONS[:1], ["3"]), "counts")[-1][1]
    assert only_counts == (100.0, 100.0, None, None, None, None)


def test_the_likeliest_answer():
    one_hot = torch.eye(len(ANSWERS))
    assert answers_of(one_hot) == list(ANSWERS)
