"""Sentences held out of training: those that name certain pairs of a colour and an object.

What is held out is the words: no sentence of training says "red key", alone or within a longer one.
Red keys still lie about as distractors, and a sentence that names only one of the two ("the red
object", "the key") may still mean one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import product
from typing import Any, NamedTuple

from envs.errors import EnvError, did_you_mean
from envs.grammar import COLORS, KINDS, Descr, Instruction, descriptions, parse_instruction

NAMED = tuple(kind for kind in KINDS if kind != "object")

Pair = tuple[str, str]  # colour and kind


class Related(NamedTuple):
    """The sentences whose FiLM parameters make up another's: `kind` + `color` - `both` changed."""

    kind: str
    color: str
    both: str


def read_pairs(pairs: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs as typed, such as "red key".

    Raises:
        EnvError: one is not a colour and an object of the language.
    """
    return tuple(_read_pair(pair) for pair in pairs)


def divided(sentences: Sequence[str], pairs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The sentences that name none of the pairs, and those that do.

    Raises:
        EnvError: a pair is none, or is in no sentence; no sentence is left.
    """
    wanted = read_pairs(pairs)
    named = {sentence: {*_named(parse_instruction(sentence))} for sentence in sentences}
    for pair in wanted:
        if not any(pair in of for of in named.values()):
            raise EnvError(
                f"'{' '.join(pair)}' cannot be held out: none of the {len(sentences):,} sentences "
                f"names it; the first is '{sentences[0]}'"
            )
    kept = tuple(one for one in sentences if not named[one] & {*wanted})
    if not kept:
        raise EnvError("every sentence is held out, so nothing is left to train on; hold out fewer")
    return kept, tuple(one for one in sentences if named[one] & {*wanted})


def related(sentence: str, pairs: Sequence[Pair], known: Sequence[str]) -> Related | None:
    """Three known sentences, the same but for pairs that are not to be named; None without any.

    Every such pair in the sentence gets another kind in the first sentence, another colour in the
    second, both in the third: of all choices the first, in the language's order of kinds and
    colours, that makes three known sentences.

    Args:
        sentence: in its canonical form.
        pairs: what is not to be named.
        known: sentences that may be taken.
    """
    tree, among = parse_instruction(sentence), frozenset(known)
    wanted = [pair for pair in dict.fromkeys(_named(tree)) if pair in pairs]
    if not wanted:
        return None
    others = [
        [(color, kind) for kind in NAMED for color in COLORS if color != own[0] and kind != own[1]]
        for own in wanted
    ]
    for chosen in product(*others):
        new = dict(zip(wanted, chosen, strict=True))
        kinds = {own: (own[0], other[1]) for own, other in new.items()}
        colors = {own: (other[0], own[1]) for own, other in new.items()}
        three = Related(*(str(_changed(tree, change)) for change in (kinds, colors, new)))
        if among.issuperset(three):
            return three
    return None


def _read_pair(pair: str) -> Pair:
    match pair.lower().split():
        case [color, kind] if color in COLORS and kind in NAMED:
            return color, kind
        case words:
            unknown = next((word for word in words if word not in (*COLORS, *NAMED)), "")
            raise EnvError(
                f"'{pair}' cannot be held out: expected a colour ({', '.join(COLORS)}) and an "
                f"object ({', '.join(NAMED)}), such as 'red key'"
                f"{did_you_mean(unknown, (*COLORS, *NAMED)) if unknown else ''}"
            )


def _named(tree: Instruction) -> Iterator[Pair]:
    for descr in descriptions(tree):
        if descr.color and descr.kind in NAMED:
            yield descr.color, descr.kind


def _changed(tree: Any, change: Mapping[Pair, Pair]) -> Any:
    """The tree with the pairs of its descriptions changed."""
    if isinstance(tree, Descr):
        color, kind = change.get((tree.color or "", tree.kind), (tree.color, tree.kind))
        return replace(tree, color=color, kind=kind)
    assert is_dataclass(tree)
    assert not isinstance(tree, type)
    parts = {field.name: _changed(getattr(tree, field.name), change) for field in fields(tree)}
    return replace(tree, **parts)
