"""The 90 question families of CLEVR, in the official numbering, as skeletons of programs.

A skeleton is a term (`vqa.terms`) with holes: a description is a hole, and so is a relation.
`Hole.closed` names the attributes that a description must leave open, because naming them would
give the answer away or make the sameness trivial; `Hole.only` the one it must name, if any.

Source: the order of the official families and what each asks (Johnson et al., CVPR 2017, and the
released questions); the skeletons are written from the released programs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product
from typing import Any

from vqa.terms import ATTRIBUTES, Description, Program, Term, to_term


@dataclass(frozen=True)
class Hole:
    """A description to be chosen: `closed` attributes stay open, `only` is the one it names."""

    closed: frozenset[str] = frozenset()
    only: str | None = None

    def fits(self, description: Description) -> bool:
        """Whether a description may stand here."""
        named = {a for a, v in zip(ATTRIBUTES, description, strict=True) if v is not None}
        return not named & self.closed and (self.only is None or named == {self.only})


@dataclass(frozen=True)
class Family:
    """One question family: its official number, its group and the skeleton of its programs."""

    index: int
    group: str
    skeleton: Term


SCENE: Term = ("scene",)
RELATION = "relation"  # the hole of a relation


def things(source: Term = SCENE, *closed: str, only: str | None = None) -> Term:
    """The described things among `source`."""
    return ("filter", Hole(frozenset(closed), only), source)


def the(described: Term) -> Term:
    """The one object of a set that must have exactly one."""
    return ("unique", described)


def beside(anchor: Term) -> Term:
    """Everything on one side of an object."""
    return ("relate", RELATION, anchor)


def chain(hops: int, *closed: str) -> Term:
    """Described things at the end of `hops` relations, each from one object to the next."""
    if hops == 0:
        return things(SCENE, *closed)
    return things(beside(the(chain(hops - 1))), *closed)


def hop_questions(hops: int, order: tuple[str, ...]) -> Iterator[Term]:
    """Count, exist and the four queries, in the order that the official file has them."""
    for what in order:
        if what in ATTRIBUTES:
            yield (f"query_{what}", the(chain(hops, what)))
        else:
            yield (what, chain(hops))


def compare_integer() -> Iterator[Term]:
    """Equal, fewer or more: two sets, a related and a plain one, two related ones."""
    sides = [(chain(0), chain(0)), (chain(1), chain(0)), (chain(1), chain(1))]
    for (first, second), function in product(sides, ("equal_integer", "less_than", "greater_than")):
        yield (function, ("count", first), ("count", second))


def comparison() -> Iterator[Term]:
    """The same attribute? Of two objects, or of one or two that a relation leads to."""

    def equal(attribute: str, first: int, second: int) -> Term:
        query = f"query_{attribute}"
        # The released questions of family 13 may name the size of the second object.
        closed = () if (attribute, first, second) == ("size", 1, 0) else (attribute,)
        objects = (the(chain(first, attribute)), the(chain(second, *closed)))
        return (f"equal_{attribute}", *((query, object_) for object_ in objects))

    yield from (equal(attribute, 0, 0) for attribute in ATTRIBUTES)
    for attribute, (first, second) in product(ATTRIBUTES, ((1, 0), (0, 1), (1, 1))):
        yield equal(attribute, first, second)


def single_and() -> Iterator[Term]:
    """What stands in two relations at once."""
    both = ("intersect", beside(the(chain(0))), beside(the(chain(0))))
    yield ("count", things(both))
    yield from ((f"query_{a}", the(things(both, a))) for a in ATTRIBUTES)


def same_relate() -> Iterator[Term]:
    """What shares an attribute with an object."""

    def same(attribute: str) -> Term:
        return (f"same_{attribute}", the(things(SCENE, attribute)))

    for bare, what in product((True, False), ("exist", "count")):
        for attribute in ATTRIBUTES:
            closed = ATTRIBUTES if bare else (attribute,)
            yield (what, things(same(attribute), *closed))
    for attribute, asked in permutations(ATTRIBUTES, 2):
        yield (f"query_{asked}", the(things(same(attribute), attribute, asked)))


def single_or() -> Iterator[Term]:
    """How many are one thing or another."""

    def union(first: int, second: int, only: str | None = None) -> Term:
        closed = () if only else ATTRIBUTES
        both = ("union", *(things_of(hops, only) for hops in (first, second)))
        return ("count", things(both, *closed, only=only))

    def things_of(hops: int, only: str | None) -> Term:
        return chain(hops, *([only] if only else []))

    yield from (union(0, 0), union(0, 0, "size"), union(0, 0, "color"))
    yield from (union(1, 1), union(0, 0, "material"), union(0, 0, "shape"))
    yield from (union(1, 0), union(0, 1))


GROUPS = {
    "compare_integer": compare_integer(),
    "comparison": comparison(),
    "three_hop": hop_questions(3, ("count", "exist", "size", "shape", "color", "material")),
    "single_and": single_and(),
    "same_relate": same_relate(),
    "single_or": single_or(),
    "one_hop": hop_questions(1, ("count", "exist", *ATTRIBUTES)),
    "two_hop": hop_questions(2, ("count", "exist", *ATTRIBUTES)),
    "zero_hop": hop_questions(0, ("count", "exist", "shape", "material", "color", "size")),
}
FAMILIES = tuple(
    Family(index, group, skeleton)
    for index, (group, skeleton) in enumerate(
        (group, skeleton) for group, skeletons in GROUPS.items() for skeleton in skeletons
    )
)


def fits(skeleton: Any, term: Any) -> bool:
    """Whether `term` is `skeleton` with its holes filled."""
    if isinstance(skeleton, Hole):
        return skeleton.fits(term)
    if skeleton == RELATION:
        return isinstance(term, str)
    if isinstance(skeleton, str):
        return bool(skeleton == term)
    return len(skeleton) == len(term) and all(map(fits, skeleton, term))


@cache
def family_of_term(term: Term) -> int | None:
    """The number of the first family whose skeleton `term` fills; None where there is none."""
    return next((family.index for family in FAMILIES if fits(family.skeleton, term)), None)


def family_of(program: Program) -> int | None:
    """The official family index (0-89) of a program; None for a program of no family."""
    return family_of_term(to_term(program))
