"""Questions about scenes: families filled in by partial execution, answers kept in balance.

The rules are those of the CLEVR generator (Johnson et al., CVPR 2017, section 3.4), except that a
family that fails on an image starts afresh instead of going back one choice.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from random import Random
from typing import Any

from vqa.execute import FUNCTIONS, World
from vqa.families import FAMILIES, Family, Hole
from vqa.scenes import ATTRIBUTES as VALUES
from vqa.scenes import DIRECTIONS, Scene
from vqa.terms import ATTRIBUTES, Description, Term, to_program
from vqa.write import write_term

IMAGES_IN_BALANCE = 250  # answers and families are counted anew after so many images
TRIES = 40  # fresh starts of one family on one image
TRIVIAL = 0.1  # how often a relation may leave the described set as it is

Question = dict[str, Any]


class DeadEnd(Exception):
    """The choices made so far leave no description to choose."""


def generate_questions(
    scenes: Sequence[Scene],
    seed: int,
    per_image: int = 10,
    families: Sequence[int] | None = None,
) -> list[Question]:
    """Questions with programs and answers in the official form, the same for the same seed.

    An image gets at most one question of each family, the least used families first; an answer
    is refused where it is too frequent in its family among the last 250 images.

    Args:
        scenes: scenes in the official form.
        seed: of every random choice.
        per_image: the most questions about one image.
        families: official family indices, all 90 if None.

    Raises:
        ValueError: a family outside 0-89, or fewer than one question per image.
    """
    chosen = _chosen(families)
    if per_image < 1:
        raise ValueError(f"per_image={per_image}; expected at least 1, such as per_image=10")
    questions: list[Question] = []
    for start in range(0, len(scenes), IMAGES_IN_BALANCE):
        rng = Random(f"{seed} {start}")  # noqa: S311 - questions, no secrets
        balance = Balance(chosen)
        for scene in scenes[start : start + IMAGES_IN_BALANCE]:
            for family, term, answer in _about(scene, balance, per_image, rng):
                questions.append(
                    {
                        "question": write_term(term, rng),
                        "answer": answer,
                        "program": to_program(term),
                        "question_family_index": family.index,
                        "question_index": len(questions),
                        **{key: scene[key] for key in ("image_index", "image_filename", "split")},
                    }
                )
    return questions


def _chosen(families: Sequence[int] | None) -> list[Family]:
    indices = range(len(FAMILIES)) if families is None else families
    unknown = sorted(set(indices) - set(range(len(FAMILIES))))
    if unknown or not indices:
        raise ValueError(
            f"families={list(indices)!r:.80}; expected one or more of the indices 0 to "
            f"{len(FAMILIES) - 1}, or None for all of them"
        )
    return [FAMILIES[index] for index in sorted(set(indices))]


def _about(
    scene: Scene, balance: "Balance", per_image: int, rng: Random
) -> Iterator[tuple[Family, Term, str]]:
    """Up to `per_image` questions about a scene: family, term and answer."""
    view = View(World(scene), rng)
    made = 0
    for family in balance.least_used_first(rng):
        for _ in range(TRIES):
            term, answer = view.question(family.skeleton)
            if answer is not None and balance.accepts(family, answer):
                balance.count(family, answer)
                yield family, term, answer
                made += 1
                break
        if made == per_image:
            return


class Balance:
    """How often each family and each of its answers was given."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.families = families
        self.used: Counter[int] = Counter()
        self.given = {f.index: dict.fromkeys(_answers(f.skeleton[0]), 0) for f in families}

    def least_used_first(self, rng: Random) -> list[Family]:
        """The families by how often they were used, ties in random order."""
        return sorted(rng.sample(self.families, len(self.families)), key=self._uses)

    def _uses(self, family: Family) -> int:
        return self.used[family.index]

    def accepts(self, family: Family, answer: str) -> bool:
        """Whether an answer is a CLEVR answer, and not yet given too often beside the others."""
        given = self.given[family.index]
        if answer not in given:  # a count above 10
            return False
        counts = sorted(given.values())
        median = max(counts[len(counts) // 2], 5)
        return given[answer] <= min(1.1 * counts[-2], 5 * median)

    def count(self, family: Family, answer: str) -> None:
        """Note that a question was made."""
        self.used[family.index] += 1
        self.given[family.index][answer] += 1


def _answers(function: str) -> tuple[str, ...]:
    if function == "count":
        return tuple(map(str, range(11)))
    verb, _, attribute = function.partition("_")
    return VALUES[attribute] if verb == "query" else ("yes", "no")


class View:
    """A scene as the generator sees it: which descriptions fit which of its objects."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        self.described: dict[Description, int] = {}
        for thing in world.objects:
            for kept in product((True, False), repeat=len(ATTRIBUTES)):
                named = zip(kept, ATTRIBUTES, strict=True)
                description = tuple(thing[a] if keep else None for keep, a in named)
                if description not in self.described:
                    self.described[description] = self.having(description)
        self.fitting = cache(self._fitting)

    def having(self, description: Description) -> int:
        """The objects that a description fits."""
        objects = self.world.everything
        for value in description:
            objects &= self.world.having[value] if value is not None else objects
        return objects

    def _fitting(self, hole: Hole) -> list[tuple[Description, int]]:
        return [(d, objects) for d, objects in self.described.items() if hole.fits(d)]

    def question(self, skeleton: Term) -> tuple[Term, str | None]:
        """A skeleton filled in, and its answer; None where the choices came to nothing."""
        try:
            term, answer = self.fill(skeleton)
        except DeadEnd:
            return skeleton, None
        if self._degenerate(term, answer) or self._compares_one_object(term):
            return skeleton, None
        if isinstance(answer, bool):
            return term, "yes" if answer else "no"
        return term, str(answer)

    def fill(self, part: Term, asked_by: str = "") -> tuple[Term, Any]:
        """A part of a skeleton filled in for the function `asked_by`, and its value here."""
        match part:
            case ("filter", hole, source):
                inner, objects = self.fill(source)
                options = self._options(hole, objects, inner[0], asked_by)
                if not options:
                    raise DeadEnd
                description = self.rng.choice(options)
                return ("filter", description, inner), objects & self.having(description)
            case ("relate", _, anchor):
                inner, thing = self.fill(anchor)
                relation = self.rng.choice(DIRECTIONS)
                return ("relate", relation, inner), self.world.related[relation][thing]
            case (function, *parts):
                filled = [self.fill(inner, function) for inner in parts]
                values = [value for _, value in filled]
                term = (function, *(inner for inner, _ in filled))
                return term, FUNCTIONS[function].run(self.world, *values)
        raise AssertionError(part)

    def _options(
        self, hole: Hole, objects: int, source: str, asked_by: str
    ) -> Sequence[Description]:
        """The descriptions to choose from.

        After a relation they are those whose set the relation changes, nine times of ten. What is
        counted or tested for existence may be nothing: descriptions at random come in, half of
        all for existence, as many as fit one object for counting.
        """
        fitting = self.fitting(hole)
        if source == "relate" and self.rng.random() >= TRIVIAL:
            fitting = [(d, having) for d, having in fitting if having & ~objects]
        singles = [d for d, having in fitting if (having & objects).bit_count() == 1]
        if asked_by == "unique":
            return singles
        if source == "relate":
            return [d for d, _ in fitting]
        real = [d for d, having in fitting if having & objects]
        strangers = len(real if asked_by == "exist" else singles)
        return [*real, *(self._any_description(hole) for _ in range(max(strangers, 1)))]

    def _any_description(self, hole: Hole) -> Description:
        def value(attribute: str) -> str | None:
            if attribute in hole.closed or hole.only not in {None, attribute}:
                return None
            none = () if hole.only else (None,)
            return self.rng.choice((*VALUES[attribute], *none))

        return tuple(map(value, ATTRIBUTES))

    def _degenerate(self, term: Term, answer: Any) -> bool:
        """Whether one of two relations could be left out: the answer stays without it."""
        return any(self._value(shorter) == answer for shorter in _one_relation_less(term))

    def _compares_one_object(self, term: Term) -> bool:
        match term:
            case (_, (str(query), first), (_, second)) if query.startswith("query"):
                return bool(self._value(first) == self._value(second))
        return False

    def _value(self, term: Term) -> Any:
        """What a filled term gives on the scene; None where it is invalid."""
        match term:
            case ("filter", description, source):
                return self._value(source) & self.having(description)
            case ("relate", relation, anchor):
                return self.world.related[relation][self._value(anchor)]
            case (function, *parts):
                values = [self._value(part) for part in parts]
                return None if None in values else FUNCTIONS[function].run(self.world, *values)


def _one_relation_less(term: Term) -> Iterator[Term]:
    """What stands in two relations at once, with one of the two left out."""
    match term:
        case ("intersect", first, second):
            yield from (first, second)
        case ("filter", description, source):
            for shorter in _one_relation_less(source):
                yield ("filter", description, shorter)
        case (function, part):
            for shorter in _one_relation_less(part):
                yield (function, shorter)
