"""Instructions with slots: "go to the {color} {object}" stands for eighteen sentences."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, product

from envs.errors import EnvError, did_you_mean, one_of
from envs.grammar import (
    COLORS,
    LOCATIONS,
    MOVABLE,
    Descr,
    Instruction,
    PutNext,
    clauses,
    descriptions,
    parse_instruction,
)

SLOTS = {"color": COLORS, "object": MOVABLE, "location": tuple(LOCATIONS.values())}
MAX_SENTENCES = 100_000

_SLOT = re.compile(r"\{([^{}]*)\}")


def expand(instructions: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the canonical sentences of one or several instructions, each once, sorted.

    Every {color}, {object} (ball, box or key) and {location} takes all its values independently of
    the others. Sentences that contradict themselves are left out.

    Raises:
        InstructionError: if an instruction is not in the language.
        EnvError: if a slot is unknown, if an instruction contradicts itself whatever its slots say,
            if there are no instructions or more than 100,000 sentences.
    """
    if isinstance(instructions, str):
        instructions = [instructions]
    if not instructions:
        raise EnvError('no instruction was given; type a sentence such as "go to the red ball"')
    return _expand(tuple(instructions))


@lru_cache(maxsize=64)
def _expand(instructions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({sentence for one in instructions for sentence in _fill(one)}))


def _fill(instruction: str) -> set[str]:
    names = [name.strip() for name in _SLOT.findall(instruction)]
    for name in names:
        if name not in SLOTS:
            known = one_of(f"{{{slot}}}" for slot in SLOTS)
            raise EnvError(f"no slot is called {{{name}}}: {known}{did_you_mean(name, SLOTS)}")
    count = math.prod(len(SLOTS[name]) for name in names)
    if count > MAX_SENTENCES:
        raise EnvError(
            f"'{instruction}' stands for {count:,} sentences, more than {MAX_SENTENCES:,}; "
            "replace some of its slots by words"
        )
    fillings = product(*(SLOTS[name] for name in names))
    trees = [parse_instruction(_substitute(instruction, words)) for words in fillings]
    reasons = {str(tree): contradiction(tree) for tree in trees}
    sentences = {sentence for sentence, reason in reasons.items() if reason is None}
    if not sentences:
        sentence, reason = next(iter(reasons.items()))
        raise EnvError(f"'{sentence}' contradicts itself: {reason}")
    return sentences


def _substitute(instruction: str, words: Iterable[str]) -> str:
    rest = iter(words)
    return _SLOT.sub(lambda _: next(rest), instruction)


def contradiction(tree: Instruction) -> str | None:
    """Returns why no world can make sense of the instruction, or None if its words are at peace."""
    return next(_contradictions(tree), None)


def _contradictions(tree: Instruction) -> Iterator[str]:
    for clause in clauses(tree):
        if isinstance(clause, PutNext):
            target, fixed = clause.target, clause.fixed
            if _is_a(target, fixed) or _is_a(fixed, target):
                yield f"an object cannot be put next to itself, and '{target}' fits '{fixed}'"
    described = list(dict.fromkeys(descriptions(tree)))
    for single in described:
        if single.article != "the":
            continue
        among = [descr for descr in described if _is_a(descr, single)]
        for descr in among:
            if descr.article == "a":
                yield f"'{single}' means that there is one, '{descr}' that there are several"
        for one, other in combinations(among, 2):
            if _differ(one, other):
                yield f"'{single}' means that there is one, but '{one}' and '{other}' are two"


def _is_a(narrow: Descr, wide: Descr) -> bool:
    """Whether all that fits `narrow` fits `wide`."""
    return (
        (wide.kind == narrow.kind or (wide.kind == "object" and narrow.kind != "door"))
        and wide.color in (None, narrow.color)
        and wide.location in (None, narrow.location)
    )


def _differ(one: Descr, other: Descr) -> bool:
    """Whether nothing fits both."""
    kinds = {one.kind, other.kind}
    kinds_meet = len(kinds) == 1 or ("object" in kinds and "door" not in kinds)
    colors_meet = one.color is None or other.color in (None, one.color)
    opposite = {one.location, other.location} in ({"left", "right"}, {"front", "behind"})
    return not kinds_meet or not colors_meet or opposite
