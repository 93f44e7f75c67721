"""Functional programs run on scenes: the answer, and what every node gives (Johnson et al. 2017).

A set of objects is a number whose bit i stands for object i, so that filter, union and intersect
are single operations on numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from film_rl.errors import did_you_mean
from vqa.scenes import ATTRIBUTES, DIRECTIONS, Scene

Program = list[dict[str, Any]]

OBJECTS, OBJECT, INTEGER, BOOLEAN = "a set of objects", "an object", "an integer", "yes or no"


class World:
    """A scene as bit sets.

    Attributes:
        everything: the set of all objects.
        having: per attribute value, the objects that have it.
        related: per direction and object, the objects that lie there.
    """

    def __init__(self, scene: Scene):
        self.objects = scene["objects"]
        self.everything = (1 << len(self.objects)) - 1
        self.having = {value: 0 for values in ATTRIBUTES.values() for value in values}
        for index, thing in enumerate(self.objects):
            for attribute in ATTRIBUTES:
                self.having[thing[attribute]] |= 1 << index
        self.related = {
            direction: [sum(1 << other for other in row) for row in rows]
            for direction, rows in scene["relationships"].items()
        }


@dataclass(frozen=True)
class Function:
    """What a function of a program takes, gives and does; `run` gives None where it is invalid."""

    takes: tuple[str, ...]
    gives: str
    run: Callable[..., Any]
    values: tuple[str, ...] = ()  # what its one value input may be


def _the_only(world: World, objects: int) -> int | None:
    return objects.bit_length() - 1 if objects.bit_count() == 1 else None


def _functions_of(attribute: str, values: tuple[str, ...]) -> dict[str, Function]:
    def same(world: World, thing: int) -> int:
        return int(world.having[world.objects[thing][attribute]] & ~(1 << thing))

    return {
        f"filter_{attribute}": Function(
            (OBJECTS,), OBJECTS, lambda world, objects, value: objects & world.having[value], values
        ),
        f"query_{attribute}": Function(
            (OBJECT,), f"a {attribute}", lambda world, thing: world.objects[thing][attribute]
        ),
        f"same_{attribute}": Function((OBJECT,), OBJECTS, same),
        f"equal_{attribute}": Function(
            (f"a {attribute}",) * 2, BOOLEAN, lambda world, a, b: a == b
        ),
    }


FUNCTIONS: dict[str, Function] = {
    "scene": Function((), OBJECTS, lambda world: world.everything),
    "unique": Function((OBJECTS,), OBJECT, _the_only),
    "relate": Function(
        (OBJECT,), OBJECTS, lambda world, thing, value: world.related[value][thing], DIRECTIONS
    ),
    "union": Function((OBJECTS,) * 2, OBJECTS, lambda world, a, b: a | b),
    "intersect": Function((OBJECTS,) * 2, OBJECTS, lambda world, a, b: a & b),
    "count": Function((OBJECTS,), INTEGER, lambda world, objects: objects.bit_count()),
    "exist": Function((OBJECTS,), BOOLEAN, lambda world, objects: objects != 0),
    "equal_integer": Function((INTEGER,) * 2, BOOLEAN, lambda world, a, b: a == b),
    "less_than": Function((INTEGER,) * 2, BOOLEAN, lambda world, a, b: a < b),
    "greater_than": Function((INTEGER,) * 2, BOOLEAN, lambda world, a, b: a > b),
    "equal_object": Function((OBJECT,) * 2, BOOLEAN, lambda world, a, b: a == b),
}
for _attribute, _values in ATTRIBUTES.items():
    FUNCTIONS |= _functions_of(_attribute, _values)


@dataclass(frozen=True)
class Execution:
    """What a program gives on a scene.

    Attributes:
        answer: the official string; None where the program is invalid on the scene, that is where
            it asks for the unique object of a set that has none or several.
        outputs: per node the sorted indices of a set's objects, an object's index, a value, an
            int or a bool; None from the invalid node on.
    """

    answer: str | None
    outputs: list[Any]


def execute(program: Program, scene: Scene) -> Execution:
    """Run a program on a scene.

    Raises:
        ValueError: the program is ill-formed (see `check_program`), naming the node.
    """
    check_program(program)
    outputs = _run(program, World(scene))
    return Execution(
        _in_words(outputs[-1]),
        [
            _members(output) if FUNCTIONS[node["function"]].gives == OBJECTS else output
            for node, output in zip(program, outputs, strict=True)
        ],
    )


def execute_many(programs: Iterable[Program], scenes: Iterable[Scene]) -> list[str | None]:
    """The answer of each program on its scene; quickest where questions share the scene's dict.

    Raises:
        ValueError: a program is ill-formed, naming its index; or their numbers differ.
    """
    worlds: dict[int, tuple[Scene, World]] = {}  # holds the scene, so that its id stays its own
    answers = []
    for index, (program, scene) in enumerate(zip(programs, scenes, strict=True)):
        if id(scene) not in worlds:
            worlds[id(scene)] = scene, World(scene)
        try:
            check_program(program)
        except ValueError as error:
            raise ValueError(f"program {index}, {error}") from None
        answers.append(_in_words(_run(program, worlds[id(scene)][1])[-1]))
    return answers


def check_program(program: Program) -> None:
    """Check that each node's inputs come before it and have its types, and the last is an answer.

    Raises:
        ValueError: the first node that is not so, what was given and what was expected.
    """
    if not isinstance(program, list) or not program:
        raise ValueError(f"a program is a list of one node or more, but this is {program!r:.60}")
    kinds: list[str] = []
    for index, node in enumerate(program):
        try:
            kinds.append(_kind(node, kinds))
        except ValueError as error:
            raise ValueError(f"node {index}{error}") from None
    if kinds[-1] in {OBJECTS, OBJECT}:
        raise ValueError(
            f"node {len(kinds) - 1} is the last and gives {kinds[-1]}; expected what answers a "
            "question: count, exist, a query or a comparison"
        )


def _kind(node: Any, kinds: Sequence[str]) -> str:
    """What a node gives, when the nodes before it give `kinds`."""
    name = node.get("function") if isinstance(node, dict) else None
    if not isinstance(name, str):
        raise ValueError(f" is {node!r:.80}; expected a dict with a 'function'")
    if name not in FUNCTIONS:
        raise ValueError(f": no function {name!r}{did_you_mean(name, FUNCTIONS)}")
    function, inputs, values = FUNCTIONS[name], node.get("inputs"), node.get("value_inputs")
    if not isinstance(inputs, list) or not isinstance(values, list):
        raise ValueError(
            f" ({name}): inputs {inputs!r} and value_inputs {values!r}; both are lists"
        )
    for at in inputs:
        if type(at) is not int or not 0 <= at < len(kinds):
            raise ValueError(
                f" ({name}) takes node {at!r}, which is not before it: the program is cyclic, or "
                "its nodes are not in the order of their use"
            )
    given = tuple([kinds[at] for at in inputs])
    if given != function.takes:
        raise ValueError(
            f" ({name}) takes {_listed(function.takes)}, but is given {_listed(given)}"
        )
    if len(values) != bool(function.values) or not all(
        value in function.values for value in values
    ):
        raise ValueError(f" ({name}): value_inputs is {values}, {_one_of(function.values, values)}")
    return function.gives


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(kinds) or "nothing"


def _one_of(known: Sequence[str], given: Sequence[Any]) -> str:
    if not known:
        return "expected []"
    closest = did_you_mean(str(given[0]), known) if given else ""
    return f"expected one of {', '.join(known)}{closest}"


def _run(program: Program, world: World) -> list[Any]:
    outputs: list[Any] = []
    for node in program:
        inputs = [outputs[at] for at in node["inputs"]]
        output = FUNCTIONS[node["function"]].run(world, *inputs, *node["value_inputs"])
        if output is None:
            return outputs + [None] * (len(program) - len(outputs))
        outputs.append(output)
    return outputs


def _members(objects: int | None) -> list[int] | None:
    if objects is None:
        return None
    return [index for index in range(objects.bit_length()) if objects >> index & 1]


def _in_words(output: Any) -> str | None:
    if isinstance(output, bool):
        return "yes" if output else "no"
    return None if output is None else str(output)
