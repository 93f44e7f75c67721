"""English and programs: what is read, what is written, and that both agree."""

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.execute import execute_many
from vqa.families import FAMILIES, RELATION, Hole, family_of
from vqa.parse import parse_question
from vqa.scenes import ATTRIBUTES as VALUES
from vqa.scenes import load_scenes
from vqa.terms import ATTRIBUTES, to_program, to_term
from vqa.words import RELATIONS, WORDS
from vqa.write import write_question


def read(path):
    return json.loads(path.read_text())


def official_questions(samples, split):
    path = samples / "CLEVR_v1.0" / "questions" / f"CLEVR_{split}_questions.json"
    return read(path)["questions"]


@st.composite
def programs(draw, family):
    """A program of a family, its holes filled with anything that fits."""

    def value(attribute, hole):
        if attribute in hole.closed or (hole.only and attribute != hole.only):
            return None
        named = st.sampled_from(list(WORDS[attribute]))
        return draw(named if hole.only else st.none() | named)

    def fill(part):
        if isinstance(part, Hole):
            return tuple(value(attribute, part) for attribute in ATTRIBUTES)
        if part == RELATION:
            return draw(st.sampled_from(list(RELATIONS)))
        return tuple(map(fill, part)) if isinstance(part, tuple) else part

    return to_program(fill(family.skeleton))


any_program = st.sampled_from(FAMILIES).flatmap(programs)


@settings(derandomize=True, deadline=None, max_examples=250)
@given(any_program, st.integers(0, 10**6))
def test_every_program_of_every_family_is_read_back_from_its_english(program, seed):
    question = write_question(program, Random(seed))
    assert parse_question(question)[0] == program


@settings(derandomize=True, deadline=None, max_examples=100)
@given(any_program)
def test_a_term_and_its_program_are_two_forms_of_one_thing(program):
    assert to_program(to_term(program)) == program


@settings(derandomize=True, deadline=None, max_examples=50)
@given(any_program, st.integers(0, 10**6))
def test_case_spaces_and_the_question_mark_do_not_matter(program, seed):
    question = write_question(program, Random(seed))
    shouted = question.upper().replace(" ", "  ").removesuffix("?")
    assert parse_question(shouted) == parse_question(question)


def test_real_questions_are_read_as_their_official_programs(clevr_samples):
    train, val = (official_questions(clevr_samples, split) for split in ("train", "val"))
    for question in train + val:
        program = parse_question(question["question"])[0]
        assert program == question["program"]
        assert family_of(program) == question["question_family_index"]


def test_the_first_thousand_val_questions_have_programs_of_the_official_length(clevr_samples):
    for question in read(clevr_samples / "val_questions_0000_0999.json"):
        readings = parse_question(question["question"])
        assert len(readings) == 1
        assert len(readings[0]) == question["program_length"]
        assert family_of(readings[0]) is not None


def test_real_questions_are_answered_right_on_the_real_scenes(clevr_samples):
    scenes = load_scenes(clevr_samples / "CLEVR_v1.0", "val")
    known = [
        question
        for question in read(clevr_samples / "val_questions_0000_0999.json")
        if question["image_index"] is not None
    ]
    programs = [parse_question(question["question"])[0] for question in known]
    answers = execute_many(programs, [scenes[question["image_index"]] for question in known])
    assert len(known) == 679
    assert answers == [question["answer"] for question in known]


def test_real_test_questions_are_read(clevr_samples):
    for question in official_questions(clevr_samples, "test"):
        assert family_of(parse_question(question["question"])[0]) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Are there any big balls?", "Is there a large sphere?"),
        ("How many metallic blocks are there?", "What number of shiny cubes are visible"),
        ("What is the cube made of?", "The block is made of what material?"),
        (
            "How big is the ball left of the cube?",
            "There is a ball left of the cube. What size is it",
        ),
        (
            "Is there anything else that is the same size as the cube?",
            "Is there a thing of the same size as the cube?",
        ),
        (
            "Is there another thing of the same color as the cube?",
            "There is a cube; are there any other things of the same color as it?",
        ),
        (
            "Are there an equal number of balls and cubes?",
            "Is the number of balls equal to the number of cubes?",
        ),
        (
            "Do the ball and the cube have the same color?",
            "Is the color of the ball the same as the color of the cube?",
        ),
        ("What colour is the grey cube?", "What is the color of the gray cube?"),
        ("Is there a shiny red small ball?", "Is there a small red metal sphere?"),
    ],
)
def test_two_wordings_of_one_question_are_one_program(one, other):
    assert parse_question(one)[0] == parse_question(other)[0]


def test_an_ambiguous_question_has_all_its_readings():
    question = (
        "What color is the thing that is left of the ball that is right of the cube "
        "and behind the cylinder?"
    )
    readings = parse_question(question)
    assert len(readings) == 2
    assert sorted(program[-3]["function"] for program in readings) == ["intersect", "relate"]


def test_a_reading_of_an_official_family_comes_first():
    longer = "How many balls are left of the cube that is both left of the ball and behind the cube"
    assert family_of(parse_question(longer)[0]) is None
    assert family_of(parse_question("How many balls are left of the cube?")[0]) == 72


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a question of 0 words; expected 1 to 100"),
        ("How many cubes " * 400, "a question of 1200 words; expected 1 to 100"),
        ("Is there a purpel cube?", "stopped at 'purpel' after 'is there a'.*mean 'purple'"),
        ("Who is there?", "stopped at 'who' at the first word"),
        ("How many red blue cubes are there?", "stopped at 'blue' after 'how many red'"),
        ("How many cubes are left of", "it ends where a word should follow; expected one of 'the'"),
        ("How many cubes are there there?", "stopped at 'there'.*expected one of"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_question(text)


def test_every_value_of_every_attribute_has_words():
    assert {a: set(words) for a, words in WORDS.items()} == {
        a: set(values) for a, values in VALUES.items()
    }


def test_the_families_are_numbered_as_the_official_ones():
    groups = ["compare_integer"] * 9 + ["comparison"] * 16 + ["three_hop"] * 6
    groups += ["single_and"] * 5 + ["same_relate"] * 28 + ["single_or"] * 8
    groups += ["one_hop"] * 6 + ["two_hop"] * 6 + ["zero_hop"] * 6
    assert [family.group for family in FAMILIES] == groups
    assert [family.index for family in FAMILIES] == list(range(90))


def test_a_program_without_english_is_refused():
    everything = [{"function": "scene", "inputs": [], "value_inputs": []}]
    with pytest.raises(ValueError, match="no words for a program that ends in 'scene'"):
        write_question(everything, Random(0))


@pytest.mark.parametrize(
    ("function", "complaint"),
    [("paint", "node 1 is 'paint'"), ("filter_color", "node 2 filters by color for the second")],
)
def test_a_program_outside_the_language_is_refused(function, complaint):
    program = parse_question("How many red things are there?")[0]
    program[1]["function"] = function
    program.insert(2, {"function": "filter_color", "inputs": [1], "value_inputs": ["blue"]})
    program[3]["inputs"] = [2]
    with pytest.raises(ValueError, match=complaint):
        to_term(program)
