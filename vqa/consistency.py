"""Whether answers about one image contradict each other, judged by the questions' programs alone.

Every answer says something of how many objects some sets have:

    count(S) = n                      S has n objects
    exist(S) = yes, no                S has at least one, none
    query_a(unique(S)) = v            S has one object, S with a = v one, S with any other a none
    less_than(count(S), count(T))     where yes: S has fewer than 10 objects, T at least one

Two answers contradict each other where one says that S has more objects than the other says T has,
and S is part of T: filters of a set, in any order, make it smaller; what is related to an object or
shares an attribute with it is part of the scene; a union holds its parts, an intersection is in
them. So do unequal answers to questions of one meaning, comparisons of the same two counts that
leave no order of them, and three questions: a comparison and the two counts, or queries, it is of.

Questions are related where some answers to them contradict each other. So the number of related
groups is the same for every network; an answer of the wrong kind contradicts all it is related to.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Any, NamedTuple

from vqa.execute import FUNCTIONS, OBJECTS, Program
from vqa.questions import Question
from vqa.scenes import ATTRIBUTES, MOST_OBJECTS

RULES = (
    "same meaning", "count and exist", "part and whole", "query", "compare numbers",
    "compare numbers and both counts", "compare attribute and both queries",
)  # fmt: skip
SCENE = ("scene",)
# What a comparison says of the order of its counts: the first is below, at or above the second.
ORDER = {"less_than": -1, "equal_integer": 0, "greater_than": 1}


class Objects(NamedTuple):
    """A described set: those of `base` that have all the `values`."""

    base: tuple[Any, ...]
    values: frozenset[str] = frozenset()

    def having(self, *values: str) -> "Objects":
        """Those of them that have these values too."""
        return Objects(self.base, self.values.union(values))

    def parts(self, function: str) -> list["Objects"]:
        """What it is the `union` or `intersect` of; nothing where it is none."""
        if self.base[0] != function:
            return []
        return [part.having(*self.values) for part in self.base[1]]


class Fact(NamedTuple):
    """A set has from `low` to `high` objects."""

    objects: Objects
    low: int
    high: int


@dataclass(frozen=True)
class Meaning:
    """What a question asks, the same for programs that differ in the order of filters or sides.

    Attributes:
        function: what gives the answer; `less_than` for `greater_than` of the sides changed.
        about: the set counted or tested, that of the queried object, or the two sides compared.
    """

    function: str
    about: Any

    def facts(self, answer: str) -> list[Fact] | None:
        """What an answer says of sets; None where no scene gives this answer."""
        function, about = self.function, self.about
        if answer not in self.answers:
            return None
        if function == "count":
            return [Fact(about, int(answer), int(answer))]
        if function == "exist":
            return [Fact(about, 1, MOST_OBJECTS) if answer == "yes" else Fact(about, 0, 0)]
        if function.startswith("query_"):
            has = [Fact(about.having(v), v == answer, v == answer) for v in self.answers]
            return [Fact(about, 1, 1), *has]
        if function == "less_than" and answer == "yes":
            return [Fact(about[0], 0, MOST_OBJECTS - 1), Fact(about[1], 1, MOST_OBJECTS)]
        return []

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """All answers of its kind."""
        if self.function == "count":
            return tuple(map(str, range(MOST_OBJECTS + 1)))
        return ATTRIBUTES.get(self.function.removeprefix("query_"), ("yes", "no"))

    @cached_property
    def extremes(self) -> list[Fact]:
        """Per set the most objects that some answer asks for, and the fewest that one allows."""
        bounds: dict[Objects, tuple[int, int]] = {}
        for answer in self.answers:
            for objects, low, high in self.facts(answer) or []:
                most, fewest = bounds.get(objects, (0, MOST_OBJECTS))
                bounds[objects] = max(most, low), min(fewest, high)
        return [Fact(objects, *bound) for objects, bound in bounds.items()]

    @property
    def sides(self) -> list["Meaning"]:
        """The two counts, or queries, that a comparison is of; nothing for other questions."""
        if self.function in ORDER:
            return [Meaning("count", side) for side in self.about]
        if self.function.startswith("equal_") and self.function != "equal_object":
            query = self.function.replace("equal", "query")
            return [Meaning(query, side) for side in self.about]
        return []


def consistency(questions: Sequence[Question], predictions: Sequence[str]) -> dict[str, Any]:
    """How many groups of related questions there are, and the share that is contradicted.

    Args:
        questions: in the official form; those without a program are in no group.
        predictions: an answer per question.

    Returns:
        JSON: `groups`, `contradicted` (a share; None where there is no group), and both of each
        of RULES that has groups, in `by_rule`.
    """
    found: dict[str, list[bool]] = defaultdict(list)
    for group in contradictions(questions, predictions):
        found[group.rule].append(group.contradicted)
    every = [one for ones in found.values() for one in ones]
    return _row(every) | {"by_rule": {rule: _row(found[rule]) for rule in RULES if rule in found}}


class Group(NamedTuple):
    """Questions, by their indices, whose answers constrain each other."""

    rule: str
    questions: tuple[int, ...]
    contradicted: bool


def contradictions(questions: Sequence[Question], predictions: Sequence[str]) -> Iterator[Group]:
    """Every group of two or three related questions, image by image."""
    of_image: dict[int, list[int]] = defaultdict(list)
    for index, (question, _) in enumerate(zip(questions, predictions, strict=True)):
        if question.get("program"):
            of_image[question["image_index"]].append(index)
    for indices in of_image.values():
        asked = {index: meaning(questions[index]["program"]) for index in indices}
        for p, q in combinations(indices, 2):
            if related(asked[p], asked[q]):
                answers = predictions[p], predictions[q]
                yield Group(_rule(asked[p], asked[q]), (p, q), clash(asked[p], asked[q], *answers))
        yield from _threes(asked, predictions)


def meaning(program: Program) -> Meaning:
    """What a well-formed program asks."""
    outputs: list[Any] = []
    for node in program:
        function, values = node["function"], node["value_inputs"]
        inputs = [outputs[at] for at in node["inputs"]]
        if function.startswith("filter_"):
            outputs.append(inputs[0].having(*values))
        elif function in {"union", "intersect"}:
            outputs.append(Objects((function, frozenset(inputs))))
        elif FUNCTIONS[function].gives == OBJECTS:
            outputs.append(Objects((function, *values, *inputs)))
        elif len(inputs) == 2:
            outputs.append(_comparison(function, inputs))
        elif function == "unique":
            outputs.append(inputs[0])
        else:
            outputs.append(Meaning(function, inputs[0]))
    last: Meaning = outputs[-1]
    return last


def related(p: Meaning, q: Meaning) -> bool:
    """Whether some answers to two questions about one image contradict each other."""
    same = p == q or _same_counts(p, q)
    return same or _clashing(p.extremes, q.extremes)


def clash(p: Meaning, q: Meaning, p_answer: str, q_answer: str) -> bool:
    """Whether no scene gives these answers to two related questions."""
    p_facts, q_facts = p.facts(p_answer), q.facts(q_answer)
    if p_facts is None or q_facts is None:
        return True
    if p == q:
        return p_answer != q_answer
    if _same_counts(p, q):
        return not _orders(p, p_answer, p.about) & _orders(q, q_answer, p.about)
    return _clashing(p_facts, q_facts)


def within(part: Objects, whole: Objects) -> bool:
    """Whether a set is part of another in every scene (it may say no where it cannot tell)."""
    if part.values >= whole.values and whole.base in (part.base, SCENE):
        return True
    if union := part.parts("union"):
        return all(within(one, whole) for one in union)
    if both := whole.parts("intersect"):
        return all(within(part, one) for one in both)
    return any(within(one, whole) for one in part.parts("intersect")) or any(
        within(part, one) for one in whole.parts("union")
    )


def _comparison(function: str, inputs: list[Any]) -> Meaning:
    sides = [side.about if isinstance(side, Meaning) else side for side in inputs]
    if function == "greater_than":
        return Meaning("less_than", (sides[1], sides[0]))
    # What is symmetric has its sides in no order.
    return Meaning(function, tuple(sides) if function == "less_than" else _unordered(sides))


def _unordered(sides: list[Objects]) -> tuple[Objects, ...]:
    return tuple(sorted(sides, key=_key))


def _key(objects: Objects) -> str:
    """A text that is the same for equal sets, whatever the order in which they were built."""

    def text(part: Any) -> str:
        if isinstance(part, frozenset):
            return f"{{{','.join(sorted(map(text, part)))}}}"
        return f"({','.join(map(text, part))})" if isinstance(part, tuple) else str(part)

    return text(objects)


def _clashing(p_facts: Sequence[Fact], q_facts: Sequence[Fact]) -> bool:
    return any(
        (p.low > q.high and within(p.objects, q.objects))
        or (q.low > p.high and within(q.objects, p.objects))
        for p, q in product(p_facts, q_facts)
    )


def _same_counts(p: Meaning, q: Meaning) -> bool:
    compared = p.function in ORDER and q.function in ORDER
    return compared and set(p.about) == set(q.about)


def _orders(p: Meaning, answer: str, about: tuple[Objects, ...]) -> set[int]:
    """The orders of the counts of `about` that an answer to a comparison of them leaves."""
    order = ORDER[p.function] if p.about == about else -ORDER[p.function]
    return {order} if answer == "yes" else {-1, 0, 1} - {order}


def _threes(asked: dict[int, Meaning], predictions: Sequence[str]) -> Iterator[Group]:
    """Comparisons with the two questions they are of."""
    places: dict[Meaning, list[int]] = defaultdict(list)
    for index, one in asked.items():
        places[one].append(index)
    for p, comparison in asked.items():
        if not comparison.sides:
            continue
        first, second = comparison.sides
        rule = RULES[-2] if first.function == "count" else RULES[-1]
        for q, r in product(places.get(first, ()), places.get(second, ())):
            if q != r:
                sides = predictions[q], predictions[r]
                right = _compare(comparison, *sides)
                yield Group(rule, (p, q, r), right is None or predictions[p] != right)


def _compare(comparison: Meaning, first: str, second: str) -> str | None:
    """The answer to a comparison that follows from those to its sides; None where none does."""
    if not {first, second} <= set(comparison.sides[0].answers):
        return None
    is_so = int(first) < int(second) if comparison.function == "less_than" else first == second
    return "yes" if is_so else "no"


def _rule(p: Meaning, q: Meaning) -> str:
    if p == q:
        return "same meaning"
    functions = {p.function, q.function}
    if functions & set(ORDER):
        return "compare numbers"
    if not functions <= {"count", "exist"}:
        return "query"
    return "count and exist" if p.about == q.about else "part and whole"


def _row(contradicted: Sequence[bool]) -> dict[str, Any]:
    groups = len(contradicted)
    return {"contradicted": sum(contradicted) / groups if groups else None, "groups": groups}
