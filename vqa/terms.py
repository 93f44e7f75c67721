"""Programs as terms: the tree that a functional program means, and its official list form.

A term is a nested tuple `(function, *arguments)`; the arguments of `filter` are a description and
a set, those of `relate` a relation and an object:

    How many big things are left of the red cube?
    count(filter((large, -, -, -), relate(left, unique(filter((-, red, -, cube), scene)))))

A description holds one value or None for each of ATTRIBUTES, in the order in which the official
programs filter. What is counted, unique, united or tested for existence is always a `filter`, of
which the official form writes nothing when the description is empty.

Source: Johnson et al., "CLEVR", CVPR 2017 (arXiv:1612.06890), section 3.2.
"""

import ast
from typing import Any

ATTRIBUTES = ("size", "color", "material", "shape")

Description = tuple[str | None, ...]
Term = tuple[Any, ...]
Program = list[dict[str, Any]]

ANYTHING: Description = (None, None, None, None)


def pattern(text: str) -> Term:
    """The term that `text` writes as nested calls; a bare name is a variable, kept as a string."""

    def build(node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return node.id
        assert isinstance(node, ast.Call), text
        assert isinstance(node.func, ast.Name), text
        return (node.func.id, *map(build, node.args))

    term: Term = build(ast.parse(text, mode="eval").body)
    return term


def match(shape: Any, term: Any) -> dict[str, Any] | None:
    """The values of the variables of `shape` that make it `term`; None where nothing does."""
    if isinstance(shape, str):
        return {shape: term}
    if not isinstance(term, tuple) or len(shape) != len(term) or shape[0] != term[0]:
        return None
    values: dict[str, Any] = {}
    for part, value in zip(shape[1:], term[1:], strict=True):
        found = match(part, value)
        if found is None:
            return None
        values |= found
    return values


def fill(shape: Any, values: dict[str, Any]) -> Any:
    """`shape` with every variable replaced by its value: the inverse of `match`."""
    if isinstance(shape, str):
        return values[shape]
    return (shape[0], *(fill(part, values) for part in shape[1:]))


_PLAIN_COLORS = pattern(
    "equal_color(query_color(unique(filter(f, scene()))), query_color(unique(filter(g, scene()))))"
)


def to_program(term: Term) -> Program:
    """The official list form of a term, in the official order of nodes.

    Arguments come before the functions that take them, the first argument first. Where the
    colours of two objects are compared that no relation leads to, both objects come first.
    """
    program: Program = []

    def add(function: str, inputs: list[int], values: tuple[str, ...] = ()) -> int:
        node = {"function": function, "inputs": inputs, "value_inputs": list(values)}
        program.append(node)
        return len(program) - 1

    def visit(term: Term) -> int:
        match term:
            case ("filter", description, source):
                last = visit(source)
                for attribute, value in zip(ATTRIBUTES, description, strict=True):
                    if value is not None:
                        last = add(f"filter_{attribute}", [last], (value,))
                return last
            case ("relate", relation, anchor):
                return add("relate", [visit(anchor)], (relation,))
            case ("equal_color", (_, first), (_, second)) if match(_PLAIN_COLORS, term):
                objects = [visit(first), visit(second)]
                return add("equal_color", [add("query_color", [i]) for i in objects])
            case (function, *arguments):
                return add(function, [visit(argument) for argument in arguments])
        raise AssertionError(term)

    visit(term)
    return program


_HEADS = {
    *("scene", "filter", "unique", "relate", "union", "intersect", "count", "exist"),
    *("equal_integer", "less_than", "greater_than"),
    *(f"{verb}_{a}" for verb in ("query", "same", "equal") for a in ATTRIBUTES),
}
_FILTERED = {"unique", "count", "exist", "union"}  # what takes a described set


def to_term(program: Program) -> Term:
    """The term of a program in the official form: the inverse of `to_program`.

    Filters of one attribute after another become one description. Raises ValueError where the
    last node's tree holds a function outside CLEVR's, or two values for one attribute.
    """

    def visit(index: int) -> Term:
        node = program[index]
        function, inputs = node["function"], node["inputs"]
        if function.startswith("filter_"):
            return _describe(visit(inputs[0]), function.removeprefix("filter_"), node, index)
        arguments = [visit(i) for i in inputs]
        if function in _FILTERED:
            arguments = [a if a[0] == "filter" else ("filter", ANYTHING, a) for a in arguments]
        if function not in _HEADS:
            raise ValueError(f"node {index} is {function!r}, which is not a function of CLEVR's")
        return (function, *node["value_inputs"], *arguments)

    return visit(len(program) - 1)


def _describe(source: Term, attribute: str, node: dict[str, Any], index: int) -> Term:
    described, place = source, ATTRIBUTES.index(attribute)
    if source[0] != "filter":
        described = ("filter", ANYTHING, source)
    _, description, inner = described
    if description[place] is not None:
        raise ValueError(f"node {index} filters by {attribute} for the second time in a row")
    value = node["value_inputs"][0]
    return ("filter", (*description[:place], value, *description[place + 1 :]), inner)
