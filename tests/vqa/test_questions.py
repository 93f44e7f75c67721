"""Questions are read from both dialects into the official form."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.errors import DataError
from vqa.execute import FUNCTIONS
from vqa.questions import ANSWERS, CATEGORIES, category, load_questions, question_type


def node(function: str, *inputs: int, value: str | None = None) -> dict:
    values = [] if value is None else [value]
    return {"function": function, "inputs": list(inputs), "value_inputs": values}


def question(**changes) -> dict:
    official = {
        "question": "How many cubes are there?",
        "answer": "3",
        "image_index": 4,
        "image_filename": "CLEVR_new_000004.png",
        "question_index": 0,
        "question_family_index": 84,
        "split": "new",
        "program": [node("scene"), node("filter_shape", 0, value="cube"), node("count", 1)],
    }
    return official | changes


def load(folder, *questions: object) -> list[dict]:
    file = folder / "questions.json"
    file.write_text(json.dumps({"info": {}, "questions": questions}))
    return load_questions(file)


@pytest.mark.parametrize(("split", "number"), [("train", 40), ("val", 7), ("test", 10)])
def test_official_questions_are_read_as_they_are(clevr_samples, split, number):
    root = clevr_samples / "CLEVR_v1.0"
    file = root / "questions" / f"CLEVR_{split}_questions.json"
    questions = load_questions(root, split)
    assert len(questions) == number
    assert questions == json.loads(file.read_text())["questions"] == load_questions(file)


@pytest.mark.parametrize(("split", "number"), [("train", 17_817), ("val", 7_202)])
def test_human_questions_are_read_as_they_are(clevr_samples, split, number):
    root = clevr_samples / "CLEVR-Humans"
    questions = load_questions(root, split)
    assert len(questions) == number
    file = root / f"CLEVR-Humans-{split}.json"
    assert questions == json.loads(file.read_text())["questions"]


def test_answers_are_the_reference_vocabularys_in_its_order(clevr_samples):
    official = json.loads((clevr_samples / "vocab.json").read_text())["answer_token_to_idx"]
    assert len(ANSWERS) == 28
    assert {answer: index + 4 for index, answer in enumerate(ANSWERS)}.items() <= official.items()


@pytest.mark.parametrize(
    ("given", "expected"),
    [(True, "yes"), (False, "no"), (0, "0"), (1, "1"), (10, "10"), ("cube",) * 2],
)
def test_the_generators_answers_become_strings(tmp_path, given, expected):
    assert load(tmp_path, question(answer=given)) == [question(answer=expected)]


def test_the_generators_dialect_becomes_the_official_form(tmp_path):
    generated = question(
        answer=3,
        image="CLEVR_new_000004",
        template_filename="zero_hop.json",
        question_family_index=0,
        program=[
            {"type": "scene", "inputs": [], "_output": [0, 1, 2]},
            {"type": "filter_shape", "inputs": [0], "side_inputs": ["cube"], "_output": [0, 1, 2]},
            {"type": "count", "inputs": [1], "_output": 3},
        ],
    )
    older = [{("function" if key == "type" else key): value for key, value in each.items()}
             for each in generated["program"]]  # fmt: skip
    assert load(tmp_path, generated, generated | {"program": older}) == [question()] * 2


@pytest.mark.parametrize(
    ("template", "index", "family"),
    [("compare_integer", 8, 8), ("comparison", 0, 9), ("three_hop", 5, 30), ("single_and", 0, 31),
     ("same_relate", 27, 63), ("single_or", 7, 71), ("one_hop", 0, 72), ("two_hop", 5, 83),
     ("zero_hop", 5, 89)],
)  # fmt: skip
def test_a_family_within_a_template_file_has_its_official_number(tmp_path, template, index, family):
    given = question(question_family_index=index, template_filename=f"{template}.json")
    assert load(tmp_path, given) == [question(question_family_index=family)]


def test_a_template_that_is_not_clevrs_has_no_official_number(tmp_path):
    (read,) = load(tmp_path, question(template_filename="embed_mat_spa.json"))
    assert "question_family_index" not in read


def test_questions_of_a_test_split_need_no_answer_and_no_program(tmp_path):
    bare = {key: question()[key] for key in ("question", "image_index", "image_filename")}
    assert load(tmp_path, bare) == [bare]


def test_equal_nodes_are_kept_once(tmp_path):
    one, two = load(tmp_path, question(), question())
    assert all(a is b for a, b in zip(one["program"], two["program"], strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "grene"}, "the answer 'grene' is none of CLEVR's 28: .*did you mean 'green'"),
        ({"answer": 11}, "the answer 11 is none of"),
        ({"answer": None}, "the answer None is none of"),
        ({"question": "  "}, "the question is empty"),
        ({"question": " ?"}, "the question is empty"),
        ({"question": 5}, "'question' is 5, expected str"),
        ({"image_index": "4"}, "'image_index' is '4', expected int"),
        ({"image_filename": "../secret.png"}, "expected a bare name"),
        ({"question_index": "0"}, "'question_index' is '0', expected int"),
        ({"question_family_index": 90}, "question_family_index is 90, expected 0 to 89"),
        ({"program": {}}, "the program is {}, expected a list"),
        ({"program": [3]}, "is 3, expected a JSON object"),
        ({"program": [{"type": "scene"}]}, "'inputs' is None, expected list"),
        ({"program": [node("scene"), node("count", 1)]}, "node 1 .count. takes node 1.*cyclic"),
        (
            {"program": [node("scene"), node("query_size", 0)]},
            "node 1 .query_size. takes an object",
        ),
    ],
)
def test_what_is_no_clevr_question_is_refused_naming_file_and_index(tmp_path, changes, message):
    with pytest.raises(DataError, match=f"questions.json, question 1: .*{message}"):
        load(tmp_path, question(), question(**changes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 100) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
PLACES = [
    *[(key,) for key in question()],
    *[("program", at, key) for at in range(3) for key in (*node("scene"), "type", "side_inputs")],
    *[("program", 0), ("program", 1, "inputs", 0), ("program", 1, "value_inputs", 0)],
    ("template_filename",),
]


@settings(deadline=None, derandomize=True, max_examples=600)
@given(st.sampled_from(PLACES), json_values)
def test_any_value_in_any_place_of_a_question_is_read_or_refused(tmp_path_factory, path, value):
    whole = part = question()
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    try:
        message, questions = "", load(tmp_path_factory.getbasetemp(), whole)
    except DataError as error:
        message, questions = str(error), []
    assert len(questions) == 1 or "questions.json, question 0: " in message


def test_a_split_that_is_not_there_is_named_with_those_that_are(clevr_samples):
    with pytest.raises(DataError, match=r"'vali'.*has the splits test, train, val; did you mean"):
        load_questions(clevr_samples / "CLEVR_v1.0", "vali")
    with pytest.raises(DataError, match=r"'test'.*has the splits train, val"):
        load_questions(clevr_samples / "CLEVR-Humans", "test")
    with pytest.raises(DataError, match="there are no questions"):
        load_questions(clevr_samples, "train")


def test_thirteen_functions_answer_in_five_categories():
    kinds = {"a set of objects", "an object"}
    last = [name for name, function in FUNCTIONS.items()
            if function.gives not in kinds and name != "equal_object"]  # fmt: skip
    assert [question_type([node("scene"), node(name)]) for name in last] == last
    number = Counter(category([node(name)]) for name in last)
    assert dict(number) == dict(zip(CATEGORIES, [1, 1, 3, 4, 4], strict=True))
