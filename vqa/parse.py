"""English to programs: every reading of a question, by a chart over the grammar."""

import re
from collections.abc import Iterator
from typing import Any

from film_rl.errors import did_you_mean
from vqa.families import family_of_term
from vqa.grammar import RULES, Slot
from vqa.terms import ANYTHING, Description, Program, Term, fill, to_program
from vqa.words import ADJECTIVES, NOUNS, RELATIONS

MAX_WORDS = 100  # the longest official question has 43

# What comes next: a word or a phrase leads on, None holds the meanings of what ends here.
Trie = dict[str | Slot | None, Any]
Nouns = dict[str, str | None]


def _trie(kind: str) -> Trie:
    root: Trie = {}
    for rule in RULES[kind]:
        for variant in rule.variants:
            node = root
            for step in variant:
                node = node.setdefault(step, {})
            node.setdefault(None, []).append(rule.meaning)
    return root


_TRIES = {kind: _trie(kind) for kind in RULES}
_SINGULAR: Nouns = {word: shape for shape, words in NOUNS.items() for word in words}
_NOUNS = {"thing": _SINGULAR, "things": {f"{word}s": shape for word, shape in _SINGULAR.items()}}
_OBJECTS = {"object": NOUNS[None], "objects": tuple(f"{word}s" for word in NOUNS[None])}
_PLAIN = {"an": "a", "grey": "gray", "colour": "color"}
_RELATIONS = [(tuple(w.split()), name) for name, words in RELATIONS.items() for w in words]


def parse_question(text: str) -> list[Program]:
    """Every reading of a question as a program in the official form, the likeliest first.

    Readings of one of the 90 official families come before others. Upper case, doubled spaces and
    marks at the end do not matter. Raises ValueError, with the word at which reading stopped,
    where there is no reading.
    """
    words = _words(text)
    if not 0 < len(words) <= MAX_WORDS:
        raise ValueError(
            f"a question of {len(words)} words; expected 1 to {MAX_WORDS}, "
            "such as 'How many red cubes are there?'"
        )
    chart = _Chart(words)
    whole = [meaning for end, meaning in chart.phrases("question", 0) if end == len(words)]
    if not whole:
        raise ValueError(f"cannot read {_shortened(text)!r}: {chart.stop()}")
    return [to_program(term) for term in sorted(whole, key=lambda t: family_of_term(t) is None)]


def _words(text: str) -> list[str]:
    """Lower-case words and ";" in the plain form in which the grammar has them."""
    text = re.sub(r"[?.!,;]*\s*$", "", text.lower())
    text = re.sub(r"[.,;?]+", " ; ", text)
    for written, meant in (("another", "a other"), ("anything else", "any other thing")):
        text = re.sub(rf"\b{written}\b", meant, text)
    return [_PLAIN.get(word, word) for word in text.split()]


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


class _Chart:
    """The phrases found in one question, and how far reading came."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.found: dict[tuple[str, int], list[tuple[int, Any]]] = {}
        self.farthest = 0
        self.expected: set[str] = set()

    def phrases(self, kind: str, start: int) -> list[tuple[int, Any]]:
        """The (end, meaning) of every phrase of a kind that begins at `start`."""
        key = (kind, start)
        if key not in self.found:
            found: Iterator[tuple[int, Any]]
            if kind in _NOUNS:
                found = self._descriptions(_NOUNS[kind], start)
            elif kind in _OBJECTS:
                found = self._objects(_OBJECTS[kind], start)
            elif kind == "relation":
                found = self._relations(start)
            else:
                found = self._walk(_TRIES[kind], start, {})
            self.found[key] = list(dict.fromkeys(found))
        return self.found[key]

    def _word(self, place: int, expected: Iterator[str]) -> str | None:
        """The word at `place`; what was expected there is kept for the error message."""
        if place >= self.farthest:
            if place > self.farthest:
                self.farthest, self.expected = place, set()
            self.expected.update(expected)
        return self.words[place] if place < len(self.words) else None

    def _walk(self, node: Trie, place: int, values: dict[str, Any]) -> Iterator[tuple[int, Term]]:
        for meaning in node.get(None, ()):
            yield place, fill(meaning, values)
        word = self._word(place, (step for step in node if isinstance(step, str)))
        if word in node and word is not None:
            yield from self._walk(node[word], place + 1, values)
        for step, rest in node.items():
            if isinstance(step, Slot):
                for end, value in self.phrases(step.kind, place):
                    yield from self._walk(rest, end, {**values, step.name: value})

    def _objects(self, nouns: tuple[str, ...], place: int) -> Iterator[tuple[int, Description]]:
        if self._word(place, iter(nouns)) in nouns:
            yield place + 1, ANYTHING

    def _descriptions(self, nouns: Nouns, place: int) -> Iterator[tuple[int, Description]]:
        """Adjectives in any order, each attribute once, and a noun."""
        named: list[str | None] = [None, None, None]
        while (word := self._word(place, iter((*ADJECTIVES, *nouns)))) in ADJECTIVES:
            which, value = ADJECTIVES[word]
            if named[which] is not None:
                return
            named[which] = value
            place += 1
        if word in nouns:
            yield place + 1, (*named, nouns[word])

    def _relations(self, start: int) -> Iterator[tuple[int, str]]:
        for wording, name in _RELATIONS:
            for place, expected in enumerate(wording, start):
                if self._word(place, iter((expected,))) != expected:
                    break
            else:
                yield start + len(wording), name

    def stop(self) -> str:
        """Where reading stopped, and what could have stood there."""
        expected = sorted(self.expected)
        choices = ", ".join(map(repr, expected)) if expected else "the end of the question"
        if self.farthest >= len(self.words):
            return f"it ends where a word should follow; expected one of {choices}"
        word, before = self.words[self.farthest], " ".join(self.words[: self.farthest][-4:])
        place = f"after {before!r}" if before else "at the first word"
        hint = did_you_mean(word, expected)
        return f"stopped at {word!r} {place}; expected one of {choices}{hint}"
