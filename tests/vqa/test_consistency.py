"""Answers that no scene gives together are found, and true ones are never accused."""

import json
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.consistency import RULES, clash, consistency, contradictions, meaning, related, within
from vqa.execute import execute_many
from vqa.generate import generate_questions
from vqa.parse import parse_question
from vqa.questions import load_questions
from vqa.scene_generator import generate_scenes

RED, CUBES = "How many red things are there?", "How many cubes are there?"
FEWER = "Are there fewer red things than cubes?"
COLOR, SHAPE = "What color is the large cube?", "What shape is the tiny red thing?"
BIG_COLOR = "What color is the big block that is left of the tiny red thing?"
SAME = "Does the large cube have the same color as the big sphere?"


def asked(*texts: str, image: int = 0) -> list[dict]:
    return [{"question": t, "image_index": image, "program": parse_question(t)[0]} for t in texts]


def groups(questions, answers) -> dict[str, int]:
    """How many groups there are of each rule, and that all or none are contradicted."""
    found = consistency(questions, answers)["by_rule"]
    return {rule: (row["groups"], row["contradicted"]) for rule, row in found.items()}


@pytest.fixture(scope="module")
def generated() -> tuple[list[dict], list[dict]]:
    """Scenes, and many questions about each: of every family two, and those within comparisons."""
    scenes = generate_scenes(6, seed=3, split="val", visible_pixels=0)
    questions = [q for seed in range(2) for q in generate_questions(scenes, seed, 90)]
    sides = [
        question | {"program": question["program"][: at + 1]}
        for question in questions[: len(questions) // 4]
        for at, node in enumerate(question["program"][:-1])
        if node["function"].startswith(("count", "query_"))
    ]
    return scenes, answered([*questions, *sides], scenes)


def answered(questions: list[dict], scenes: list[dict]) -> list[dict]:
    own = [scenes[question["image_index"]] for question in questions]
    answers = execute_many([question["program"] for question in questions], own)
    return [q | {"answer": answer} for q, answer in zip(questions, answers, strict=True)]


def test_true_answers_never_contradict_each_other(generated):
    _, questions = generated
    figures = consistency(questions, [question["answer"] for question in questions])
    assert figures["contradicted"] == 0
    assert figures["groups"] > 1_000
    assert set(figures["by_rule"]) == set(RULES)


def test_true_answers_to_real_questions_never_contradict_each_other(clevr_samples):
    records = json.loads((clevr_samples / "val_questions_0000_0999.json").read_text())
    known = [r for r in records if r["image_index"] is not None]
    parsed = [r | {"program": parse_question(r["question"])[0]} for r in known]
    for split in ("train", "val"):
        official = load_questions(clevr_samples / "CLEVR_v1.0", split)
        assert consistency(official, [q["answer"] for q in official])["contradicted"] in (0, None)
    figures = consistency(parsed, [r["answer"] for r in known])
    assert figures["groups"] > 0
    assert figures["contradicted"] == 0


def test_no_scene_gives_answers_that_are_said_to_clash(generated):
    """Of all scenes, each answering both questions: its pair of answers never clashes."""
    scenes, questions = generated
    rng = Random(0)
    tried = 0
    for p, q in rng.sample(list(combinations(questions, 2)), 20_000):
        one, other = meaning(p["program"]), meaning(q["program"])
        if not related(one, other):
            continue
        pairs = [execute_many([p["program"], q["program"]], [scene] * 2) for scene in scenes]
        for pair in pairs:
            if None not in pair:
                tried += 1
                assert not clash(one, other, *pair), (p["question"], q["question"], pair)
    assert tried > 500


@pytest.mark.parametrize(
    ("questions", "true", "false", "rule"),
    [
        ((RED, "What number of red objects are there?"), "3 3", "3 4", "same meaning"),
        ((FEWER, "Are there more cubes than red things?"), "no no", "no yes", "same meaning"),
        ((SAME, SAME), "yes yes", "yes no", "same meaning"),
        ((RED, "Are there any red things?"), "0 no", "0 yes", "count and exist"),
        ((RED, "Are there any red things?"), "2 yes", "2 no", "count and exist"),
        ((RED, "How many tiny red balls are there?"), "2 2", "2 3", "part and whole"),
        ((RED, "Are there any red balls?"), "1 yes", "0 yes", "part and whole"),
        ((CUBES, "How many blocks are behind the tiny red thing?"), "2 1", "2 3", "part and whole"),
        ((CUBES, "How many objects are cubes or red things?"), "2 5", "2 1", "part and whole"),
        ((COLOR, "Are there any large red cubes?"), "red yes", "red no", "query"),
        ((COLOR, "Are there any large red cubes?"), "blue no", "blue yes", "query"),
        ((COLOR, "How many big blocks are there?"), "red 1", "red 2", "query"),
        ((COLOR, "How many blue cubes are there?"), "blue 2", "blue 0", "query"),
        ((COLOR, "What color is the cube?"), "red red", "red blue", "query"),
        ((COLOR, BIG_COLOR), "red red", "red blue", "query"),
        ((FEWER, CUBES), "yes 1", "yes 0", "compare numbers"),
        ((FEWER, "Are there more red things than cubes?"), "yes no", "yes yes", "compare numbers"),
        ((FEWER, "Are there the same number of cubes and red things?"),
         "no yes", "yes yes", "compare numbers"),
        ((FEWER, RED, CUBES), "yes 2 3", "no 2 3", "compare numbers and both counts"),
        ((SAME, COLOR, "What color is the big ball?"), "no red blue", "yes red blue",
         "compare attribute and both queries"),
    ],
)  # fmt: skip
def test_each_rule_finds_its_contradiction(questions, true, false, rule):
    one_image = asked(*questions)
    assert groups(one_image, true.split())[rule] == (1, 0)
    assert groups(one_image, false.split())[rule] == (1, 1)
    apart = [question | {"image_index": i} for i, question in enumerate(one_image)]
    assert consistency(apart, false.split())["groups"] == 0


@pytest.mark.parametrize(
    "pair",
    [
        (RED, CUBES),
        (RED, "How many blue things are there?"),
        (COLOR, "What size is the red ball?"),
        (COLOR, "How many small cubes are there?"),
        (COLOR, "What color is the tiny sphere?"),
        (SHAPE, SAME),
        ("Are there any things left of the large cube?", CUBES),
    ],
)  # fmt: skip
def test_unrelated_questions_make_no_pair(pair):
    assert consistency(asked(*pair), ["1", "red"])["groups"] == 0


def test_the_groups_do_not_depend_on_the_answers_and_nonsense_contradicts(generated):
    _, questions = generated
    nonsense = list(contradictions(questions, ["nothing"] * len(questions)))
    true = list(contradictions(questions, [question["answer"] for question in questions]))
    assert [group[:2] for group in nonsense] == [group[:2] for group in true]
    of_two = [group for group in nonsense if len(group.questions) == 2]
    assert all(group.contradicted for group in of_two)


def test_flipping_an_answer_of_a_pair_is_found(generated):
    """Where an exist question is related to others, they know when its answer is turned over."""
    _, questions = generated
    answers = [question["answer"] for question in questions]
    flips = {"yes": "no", "no": "yes"}
    same = [g.questions for g in contradictions(questions, answers) if g.rule == "count and exist"]
    assert len(same) > 5
    for pair in same:
        (exist,) = (i for i in pair if answers[i] in flips)
        turned = [flips[answers[i]] if i == exist else answers[i] for i in pair]
        (group,) = contradictions([questions[i] for i in pair], turned)
        assert group.contradicted


def test_questions_without_programs_are_in_no_group():
    bare = [{"question": "What is it?", "image_index": 0}] * 2
    assert consistency(bare, ["cube", "red"]) == {"contradicted": None, "groups": 0, "by_rule": {}}
    with pytest.raises(ValueError, match="shorter"):
        consistency(bare, ["cube"])


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_a_set_that_is_said_to_be_part_of_another_is_so_in_every_scene(generated, data):
    scenes, questions = generated
    counts = [q["program"] for q in questions if q["program"][-1]["function"] == "count"]
    p, q = data.draw(st.sampled_from(counts)), data.draw(st.sampled_from(counts))
    if within(meaning(p).about, meaning(q).about):
        for part, whole in (execute_many([p, q], [scene] * 2) for scene in scenes):
            assert part is None or whole is None or int(part) <= int(whole)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_the_order_of_filters_and_of_symmetric_sides_does_not_matter(generated, data):
    _, questions = generated
    program = data.draw(st.sampled_from(questions))["program"]
    shuffled = [dict(node) for node in program]
    for node, after in pairwise(shuffled):
        chained = all(each["function"].startswith("filter_") for each in (node, after))
        if chained and data.draw(st.booleans()):
            for key in ("function", "value_inputs"):
                node[key], after[key] = after[key], node[key]
    for node in shuffled:
        if node["function"].startswith(("union", "intersect", "equal_")):
            node["inputs"] = node["inputs"][::-1]
    assert meaning(shuffled) == meaning(program)
