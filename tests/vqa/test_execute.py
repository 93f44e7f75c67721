"""Programs on scenes: the real answers, and those of an executor that looks at objects only."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.camera import DIRECTIONS, relationships
from vqa.execute import BOOLEAN, FUNCTIONS, INTEGER, OBJECT, OBJECTS, execute, execute_many
from vqa.questions import ANSWERS, load_questions
from vqa.scenes import ATTRIBUTES, load_scenes


def node(function: str, *inputs: int, value: str | None = None) -> dict:
    values = [] if value is None else [value]
    return {"function": function, "inputs": list(inputs), "value_inputs": values}


def thing(color: str, shape: str, x: float, y: float, size: str = "small") -> dict:
    place = [x, y, 0.7 if size == "large" else 0.35]
    return {"color": color, "shape": shape, "size": size, "material": "metal", "3d_coords": place}


def scene_of(*things: dict) -> dict:
    coords_N3 = np.array([each["3d_coords"] for each in things]).reshape(-1, 3)
    return {"objects": list(things), "relationships": relationships(coords_N3)}


# A red cube, a red sphere to its right, a large blue cube behind the cube.
SCENE = scene_of(
    thing("red", "cube", 0, 0),
    thing("red", "sphere", 1.3, 1.5),
    thing("blue", "cube", -1.5, 1.3, size="large"),
)
RED_CUBE = [node("scene"), node("filter_color", 0, value="red"),
            node("filter_shape", 1, value="cube"), node("unique", 2)]  # fmt: skip


# The independent executor: sets of indices, positions instead of relationships, recursion.


def naive(program: list[dict], things: list[dict], at: int):
    """The value of node `at`; KeyError where a unique object is asked of a set without one."""
    this = program[at]
    inputs = [naive(program, things, i) for i in this["inputs"]]
    value = this["value_inputs"][0] if this["value_inputs"] else None
    stem, _, attribute = this["function"].partition("_")
    if stem == "unique":
        if len(inputs[0]) != 1:
            raise KeyError(at)
        return min(inputs[0])
    if stem == "relate":
        origin = np.array(things[inputs[0]]["3d_coords"])
        return {i for i, other in enumerate(things)
                if (other["3d_coords"] - origin) @ np.array(DIRECTIONS[value]) > 0.2}  # fmt: skip
    if stem == "same":
        shared = things[inputs[0]][attribute]
        return {i for i, t in enumerate(things) if t[attribute] == shared} - {inputs[0]}
    return {
        "scene": lambda: set(range(len(things))),
        "filter": lambda s: {i for i in s if things[i][attribute] == value},
        "union": lambda a, b: a | b,
        "intersect": lambda a, b: a & b,
        "count": len,
        "exist": bool,
        "query": lambda i: things[i][attribute],
        "equal": lambda a, b: a == b,
        "less": lambda a, b: a < b,
        "greater": lambda a, b: a > b,
    }[stem](*inputs)


coordinate = st.integers(-30, 30).map(lambda tenths: tenths / 10)
a_thing = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in ATTRIBUTES.items()}
    | {"3d_coords": st.tuples(coordinate, coordinate, st.just(0.7)).map(list)}
)
some_things = st.lists(a_thing, max_size=10)


@st.composite
def well_formed_programs(draw) -> list[dict]:
    """Programs whose nodes take any earlier ones of the right kind, and that end in an answer."""
    program, kinds = [], []
    for _ in range(draw(st.integers(2, 14))):
        possible = sorted(
            name for name, function in FUNCTIONS.items() if set(function.takes) <= set(kinds)
        )
        name = draw(st.sampled_from(possible))
        function = FUNCTIONS[name]
        inputs = [draw(st.sampled_from([i for i, k in enumerate(kinds) if k == wanted]))
                  for wanted in function.takes]  # fmt: skip
        value = draw(st.sampled_from(function.values)) if function.values else None
        program.append(node(name, *inputs, value=value))
        kinds.append(function.gives)
    if kinds[-1] == OBJECT:
        program.append(node(f"query_{draw(st.sampled_from(list(ATTRIBUTES)))}", len(kinds) - 1))
    elif kinds[-1] == OBJECTS:
        program.append(node(draw(st.sampled_from(["count", "exist"])), len(kinds) - 1))
    return program


@settings(deadline=None, derandomize=True, max_examples=300)
@given(well_formed_programs(), some_things)
def test_every_node_is_what_the_objects_say(program, things):
    outputs = execute(program, scene_of(*things)).outputs
    for at, output in enumerate(outputs):
        try:
            expected = naive(program, things, at)
        except KeyError:
            expected = None
        if output is None:
            # Its own branch, or one before it, is invalid: execution stopped there.
            assert None in outputs[:at] or expected is None
        else:
            assert output == (sorted(expected) if isinstance(expected, set) else expected)


@settings(deadline=None, derandomize=True)
@given(well_formed_programs(), some_things)
def test_every_node_gives_what_its_function_promises(program, things):
    types = {OBJECTS: list, OBJECT: int, INTEGER: int, BOOLEAN: bool}
    for step, output in zip(program, execute(program, scene_of(*things)).outputs, strict=True):
        assert output is None or type(output) is types.get(FUNCTIONS[step["function"]].gives, str)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(well_formed_programs(), some_things), max_size=4))
def test_many_programs_answer_as_each_does_alone(pairs):
    programs, scenes = [p for p, _ in pairs], [scene_of(*things) for _, things in pairs]
    alone = [execute(p, s).answer for p, s in zip(programs, scenes, strict=True)]
    assert execute_many(programs, scenes) == alone
    assert execute_many(programs * 2, scenes * 2) == alone * 2
    assert set(alone) <= {None, *ANSWERS}


@settings(deadline=None, derandomize=True)
@given(well_formed_programs(), some_things)
def test_programs_and_scenes_are_left_as_they_were(program, things):
    scene = scene_of(*things)
    before = copy.deepcopy((program, scene))
    execute(program, scene)
    assert (program, scene) == before


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_real_questions_have_their_real_answers(clevr_samples, split):
    scenes = load_scenes(clevr_samples / "CLEVR_v1.0", split)
    questions = load_questions(clevr_samples / "CLEVR_v1.0", split)
    answers = [question["answer"] for question in questions]
    assert len(answers) == {"train": 40, "val": 7}[split]
    programs = [question["program"] for question in questions]
    shown = [scenes[question["image_index"]] for question in questions]
    assert execute_many(programs, shown) == answers


def test_each_function_does_what_its_name_says():
    right = [*RED_CUBE, node("relate", 3, value="right"), node("exist", 4)]
    assert execute(right, SCENE).outputs == [[0, 1, 2], [0, 1], [0], 0, [1], True]
    same = [*RED_CUBE, node("same_shape", 3), node("unique", 4), node("query_color", 5)]
    assert execute(same, SCENE).outputs[4:] == [[2], 2, "blue"]
    assert execute(same, SCENE).answer == "blue"
    either = [*RED_CUBE, node("same_color", 3), node("same_shape", 3), node("union", 4, 5),
              node("count", 6), node("intersect", 4, 5), node("count", 8),
              node("greater_than", 7, 9)]  # fmt: skip
    assert execute(either, SCENE).outputs[4:] == [[1], [2], [1, 2], 2, [], 0, True]
    assert execute(either, SCENE).answer == "yes"


def test_an_answer_is_the_official_string():
    assert execute([node("scene"), node("count", 0)], SCENE).answer == "3"
    assert execute([node("scene"), node("exist", 0)], scene_of()).answer == "no"
    assert execute([*RED_CUBE, node("query_size", 3)], SCENE).answer == "small"


@pytest.mark.parametrize(("color", "found"), [("green", []), ("red", [0, 1])])
def test_no_unique_object_is_invalid_and_stops_there(color, found):
    program = [node("scene"), node("filter_color", 0, value=color), node("unique", 1),
               node("query_shape", 2)]  # fmt: skip
    execution = execute(program, SCENE)
    assert execution.answer is None
    assert execution.outputs == [[0, 1, 2], found, None, None]
    assert execute_many([program], [SCENE]) == [None]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ([], "list of one node or more"),
        ("scene", "list of one node or more"),
        (["scene"], "node 0 is 'scene'; expected a dict"),
        ([{"type": "scene", "inputs": [], "value_inputs": []}], "a dict with a 'function'"),
        ([{"function": "scene"}], "node 0 .scene.: inputs None .* both are lists"),
        ([node("scene"), node("cuont", 0)], "node 1: no function 'cuont'; did you mean 'count'"),
        ([node("scene"), node("count", 1)], "node 1 .count. takes node 1, .* cyclic"),
        ([node("union", 1, 1), node("scene"), node("count", 0)], "node 0 .union. takes node 1"),
        ([node("scene"), node("count", -1)], "takes node -1, which is not before it"),
        ([node("scene"), node("count", True)], "takes node True, which is not before it"),
        ([node("scene"), node("count")], "takes a set of objects, but is given nothing"),
        ([node("scene"), node("union", 0), node("count", 1)],
         "takes a set of objects and a set of objects, but is given a set of objects"),
        ([node("scene"), node("query_color", 0)], "takes an object, but is given a set of objects"),
        ([*RED_CUBE, node("query_size", 3), node("query_color", 3), node("equal_size", 4, 5)],
         "node 6 .equal_size. takes a size and a size, but is given a size and a color"),
        ([node("scene"), node("filter_color", 0, value="gren"), node("count", 1)],
         "value_inputs is ..gren.., expected one of gray, .*; did you mean 'green'"),
        ([node("scene"), node("filter_color", 0), node("count", 1)], "value_inputs is .., exp"),
        ([node("scene"), node("count", 0, value="red")], "value_inputs is ..red.., expected .."),
        (RED_CUBE[:3], "node 2 is the last and gives a set of objects"),
        (RED_CUBE, "node 3 is the last and gives an object"),
    ],
)  # fmt: skip
def test_an_ill_formed_program_is_refused_naming_the_node(program, message):
    with pytest.raises(ValueError, match=message):
        execute(program, SCENE)
    well_formed = [node("scene"), node("count", 0)]
    with pytest.raises(ValueError, match=f"program 1, .*{message}"):
        execute_many([well_formed, program], [SCENE, SCENE])


def test_each_program_has_its_scene():
    with pytest.raises(ValueError, match="zip"):
        execute_many([RED_CUBE], [])
