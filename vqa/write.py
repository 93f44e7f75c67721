"""Programs to English: one of the wordings that the grammar has for what a program means."""

import re
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

from vqa.grammar import RULES, Rule, Slot
from vqa.terms import ATTRIBUTES, Description, Program, Term, match, to_term
from vqa.words import NOUNS, RELATIONS, WORDS

Steps = tuple[str | Slot, ...]

# The rules that write a kind of phrase, by the function at the root of what they mean.
_RULES: dict[tuple[str, str], list[Rule]] = defaultdict(list)
for _kind, _rules in RULES.items():
    for _rule in _rules:
        if _rule.written:
            _RULES[_kind, _rule.meaning[0]].append(_rule)
_PLAIN = {"thing": "", "things": "s"}
_BARE = {"object": "", "objects": "s"}


def write_question(program: Program, rng: Random) -> str:
    """An English question that means `program`; `rng` chooses among its wordings.

    Raises ValueError for a program that the grammar has no words for.
    """
    return write_term(to_term(program), rng)


def write_term(term: Term, rng: Random) -> str:
    """An English question that means `term`; see `write_question`."""
    words = _phrase("question", term, rng)
    if words is None:
        raise ValueError(
            f"there are no words for a program that ends in {term[0]!r} with inputs "
            f"{[part[0] for part in term[1:]]}; expected one built like the 90 families' programs"
        )
    text = " ".join(words).replace(" ;", ";")
    text = text.replace("a other ", "another ").replace("a equal ", "an equal ")
    if rng.random() < 0.4:
        text = re.sub("any other (thing|object) ", "anything else ", text)
    return f"{text[0].upper()}{text[1:]}?"


def _phrase(kind: str, meaning: Any, rng: Random) -> list[str] | None:
    """Words of a kind of phrase that mean `meaning`; None where the kind has none."""
    if kind in _PLAIN:
        return _description(meaning, _PLAIN[kind], rng)
    if kind in _BARE:
        bare = not any(meaning)
        return [f"{rng.choice(NOUNS[None])}{_BARE[kind]}"] if bare else None
    if kind == "relation":
        return [rng.choice(RELATIONS[meaning])]
    rules = _RULES.get((kind, meaning[0]), [])
    for rule in rng.sample(rules, len(rules)):
        values = match(rule.meaning, meaning)
        choices = _choices(rule.variants, values) if values else ()
        words = _say(rng.choice(choices), values, rng) if values and choices else None
        if words is not None:
            return words
    return None


def _choices(variants: Sequence[Steps], values: dict[str, Any]) -> Sequence[Steps]:
    """The variants that use "other" rightly, where any of them has it.

    What shares an attribute with an object is "another thing" always, "another red thing" now and
    then, and not where the two descriptions differ: no "other red cube" than "the blue sphere".
    """
    if not any("other" in variant for variant in variants):
        return variants
    described, anchor = values["f"], values["s"][1]
    differ = any(a and b and a != b for a, b in zip(described, anchor, strict=True))
    if differ:
        return [variant for variant in variants if "other" not in variant]
    return variants if any(described) else [v for v in variants if "other" in v]


def _say(steps: Steps, values: dict[str, Any], rng: Random) -> list[str] | None:
    words: list[str] = []
    for step in steps:
        said = [step] if isinstance(step, str) else _phrase(step.kind, values[step.name], rng)
        if said is None:
            return None
        words += said
    return words


def _description(meaning: Description, ending: str, rng: Random) -> list[str]:
    *named, shape = meaning
    adjectives = [
        rng.choice(WORDS[attribute][value])
        for attribute, value in zip(ATTRIBUTES, named, strict=False)
        if value is not None
    ]
    return [*adjectives, f"{rng.choice(NOUNS[shape])}{ending}"]
