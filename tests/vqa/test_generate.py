"""Generated questions are true, readable, of every family, in balance, and the same every time."""

import json
from collections import Counter

import pytest

from vqa.execute import execute, execute_many
from vqa.families import FAMILIES, fits
from vqa.generate import generate_questions
from vqa.parse import parse_question
from vqa.questions import ANSWERS, load_questions
from vqa.scene_generator import generate_scenes
from vqa.terms import fill, match, pattern, to_program, to_term

IMAGES = 72


@pytest.fixture(scope="module")
def scenes():
    return generate_scenes(IMAGES, seed=0, split="val", visible_pixels=0)


@pytest.fixture(scope="module")
def questions(scenes):
    return generate_questions(scenes, seed=0)


def test_every_answer_is_what_the_program_gives_on_the_scene(scenes, questions):
    own = [scenes[question["image_index"]] for question in questions]
    answers = execute_many([question["program"] for question in questions], own)
    assert answers == [question["answer"] for question in questions]
    assert set(answers) <= set(ANSWERS)


def test_every_question_is_read_back_as_its_program(questions):
    for question in questions:
        assert parse_question(question["question"])[0] == question["program"]


def test_every_program_fills_the_skeleton_of_its_family(questions):
    for question in questions:
        family = FAMILIES[question["question_family_index"]]
        assert fits(family.skeleton, to_term(question["program"]))


def test_all_families_are_used_equally(questions):
    used = Counter(question["question_family_index"] for question in questions)
    assert len(used) == 90
    assert max(used.values()) - min(used.values()) <= 3


def test_every_image_has_ten_questions_of_ten_families(scenes, questions):
    families = Counter(
        (question["image_index"], question["question_family_index"]) for question in questions
    )
    assert set(families.values()) == {1}
    assert Counter(image for image, _ in families) == dict.fromkeys(range(len(scenes)), 10)


def test_yes_and_no_are_in_balance(questions):
    answers = Counter(question["answer"] for question in questions)
    assert abs(answers["yes"] - answers["no"]) < 0.1 * (answers["yes"] + answers["no"])


def test_neither_of_two_relations_can_be_left_out(scenes, questions):
    tested = 0
    for question in questions:
        term = to_term(question["program"])
        shape = "count(set)" if term[0] == "count" else f"{term[0]}(unique(set))"
        found = match(pattern(shape.replace("set", "filter(f, intersect(a, b))")), term)
        for one in (found["a"], found["b"]) if found else ():
            tested += 1
            asked = fill(pattern(shape), {"set": ("filter", found["f"], one)})
            answer = execute(to_program(asked), scenes[question["image_index"]]).answer
            assert answer != question["answer"]
    assert tested > 40


def test_no_object_is_compared_with_itself(scenes, questions):
    for question in questions:
        program = question["program"]
        if FAMILIES[question["question_family_index"]].group == "comparison":
            outputs = execute(program, scenes[question["image_index"]]).outputs
            queries = [program[at] for at in program[-1]["inputs"]]
            first, second = (outputs[query["inputs"][0]] for query in queries)
            assert first != second


def test_a_seed_names_the_questions(scenes, questions):
    assert generate_questions(scenes[:9], seed=0) == questions[:90]
    assert generate_questions(scenes[:9], seed=1) != questions[:90]


def test_families_and_their_number_can_be_chosen(scenes):
    made = generate_questions(scenes[:20], seed=0, per_image=2, families=[84, 85, 89])
    assert {question["question_family_index"] for question in made} == {84, 85, 89}
    assert max(Counter(question["image_index"] for question in made).values()) == 2


def test_a_scene_of_one_object_or_none_has_only_true_questions(scenes):
    lone = {"objects": scenes[0]["objects"][:1]}
    lone["relationships"] = {side: [[]] for side in scenes[0]["relationships"]}
    none = {"objects": [], "relationships": {side: [] for side in scenes[0]["relationships"]}}
    for index, world in enumerate((lone, none)):
        scene = {**scenes[0], **world, "image_index": index}
        for question in generate_questions([scene], seed=0):
            assert execute(question["program"], scene).answer == question["answer"]


def test_they_are_official_questions(questions, tmp_path):
    file = tmp_path / "CLEVR_val_questions.json"
    file.write_text(json.dumps({"info": {}, "questions": questions}))
    assert load_questions(file) == questions
    assert set(questions[0]) == {
        *("question", "answer", "program", "split", "image_index", "image_filename"),
        *("question_index", "question_family_index"),
    }


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"families": [3, 90]}, r"families=\[3, 90\]; expected one or more of the indices 0 to 89"),
        ({"families": []}, r"families=\[\]; expected one or more"),
        ({"per_image": 0}, "per_image=0; expected at least 1"),
    ],
)
def test_bad_requests_are_refused(scenes, given, complaint):
    with pytest.raises(ValueError, match=complaint):
        generate_questions(scenes, seed=0, **given)
