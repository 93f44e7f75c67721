"""The language of BabyAI's instructions: 32 words, 2.48e19 sentences.

Source: Chevalier-Boisvert et al., "BabyAI", ICLR 2019 (arXiv:1810.08272), section 3.2.

    Instruction -> Sentence [", then" Sentence | "after you" Sentence]
    Sentence    -> Clause ["and" Clause]
    Clause      -> "go to" Descr | "pick up" Descr | "open" Descr | "put" Descr "next to" Descr
    Descr       -> ("the" | "a") [Color] ("box" | "ball" | "key" | "door" | "object") [Location]
    Location    -> "in front of you" | "behind you" | "on your left" | "on your right"

"the" says that exactly one object fits the description when the episode starts, "a" that several
do. A location is relative to the agent's first pose and counts in the agent's first room only.
`str(tree)` is the canonical sentence, word for word what minigrid writes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from envs.errors import EnvError, did_you_mean, one_of

COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
KINDS = ("box", "ball", "key", "door", "object")
MOVABLE = ("box", "ball", "key")  # what "object" stands for
LOCATIONS = {
    "front": "in front of you",
    "behind": "behind you",
    "left": "on your left",
    "right": "on your right",
}
MAX_WORDS = 72  # "A and B after you C and D", where each puts one located object next to another


class InstructionError(EnvError):
    """A sentence outside the language; the message shows the first word that does not fit."""


@dataclass(frozen=True)
class Descr:
    """One description of objects, as in "a red ball behind you"."""

    article: str
    color: str | None
    kind: str
    location: str | None = None

    def __str__(self) -> str:
        words = (self.article, self.color, self.kind, LOCATIONS.get(self.location or ""))
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class GoTo:
    """Stand in front of the target and face it."""

    target: Descr

    def __str__(self) -> str:
        return f"go to {self.target}"


@dataclass(frozen=True)
class Pickup:
    """Take the target in hand."""

    target: Descr

    def __str__(self) -> str:
        return f"pick up {self.target}"


@dataclass(frozen=True)
class Open:
    """Open the target, a door."""

    target: Descr

    def __str__(self) -> str:
        return f"open {self.target}"


@dataclass(frozen=True)
class PutNext:
    """Drop the target on a cell beside `fixed`."""

    target: Descr
    fixed: Descr

    def __str__(self) -> str:
        return f"put {self.target} next to {self.fixed}"


Clause = GoTo | Pickup | Open | PutNext


@dataclass(frozen=True)
class And:
    """Both clauses, in any order."""

    first: Clause
    second: Clause

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"


Sentence = Clause | And


@dataclass(frozen=True)
class Before:
    """The first sentence, and then the second."""

    first: Sentence
    second: Sentence

    def __str__(self) -> str:
        return f"{self.first}, then {self.second}"


@dataclass(frozen=True)
class After:
    """The second sentence, and then the first: the words' order is not the order of doing."""

    first: Sentence
    second: Sentence

    def __str__(self) -> str:
        return f"{self.first} after you {self.second}"


Instruction = Sentence | Before | After

_VERBS_AND_JOINTS = "the a go to pick up open put next to and then after you"
WORDS: tuple[str, ...] = tuple(
    sorted({*_VERBS_AND_JOINTS.split(), *COLORS, *KINDS, *" ".join(LOCATIONS.values()).split()})
)
_TOKEN_IDS = {word: index for index, word in enumerate(WORDS, start=1)}


def clauses(tree: Instruction) -> Iterator[Clause]:
    """Yields the one to four clauses in the order of the words."""
    if isinstance(tree, And | Before | After):
        yield from clauses(tree.first)
        yield from clauses(tree.second)
    else:
        yield tree


def descriptions(tree: Instruction) -> Iterator[Descr]:
    """Yields every description in the order of the words."""
    for clause in clauses(tree):
        yield clause.target
        if isinstance(clause, PutNext):
            yield clause.fixed


def tokenize(sentence: str) -> list[int]:
    """Returns one id per word, 1 to 32 in the order of `WORDS`; 0 is left for padding.

    Raises:
        InstructionError: if a word is not in `WORDS`.
    """
    words = re.findall("[a-z]+", sentence.lower())
    for word in words:
        if word not in _TOKEN_IDS:
            hint = did_you_mean(word, WORDS)
            raise InstructionError(f"'{word}' is not a word of the language{hint}")
    return [_TOKEN_IDS[word] for word in words]


def parse_instruction(sentence: str) -> Instruction:
    """Reads a sentence; case, spaces and punctuation do not matter.

    Raises:
        InstructionError: if the sentence is not in the language; shows the word that does not fit.
    """
    return _Parser(sentence).instruction()


_SPELLINGS = {"an": "a", "gray": "grey"}


class _Parser:
    """Recursive descent without backtracking: the next word always decides.

    Every word that was tried at the current place is kept in `expected`, for the error message.
    """

    def __init__(self, sentence: str):
        self.text = " ".join(sentence.split())
        found = re.finditer(r"[^\s.,;:!?\"'()-]+", self.text)
        words = [(match.group().lower(), match.start()) for match in found]
        if not words:
            raise InstructionError(
                'the instruction is empty; type a sentence such as "go to the red ball"'
            )
        self.words = [_SPELLINGS.get(word, word) for word, _ in words] + [""]
        self.starts = [start for _, start in words] + [len(self.text) + 1]
        self.at = 0
        self.expected: dict[str, None] = {}  # a set that keeps its order

    def instruction(self) -> Instruction:
        first = self.sentence()
        tree: Instruction = first
        if self.accept("then"):
            tree = Before(first, self.sentence())
        elif self.accept("after"):
            self.expect("you")
            tree = After(first, self.sentence())
        if self.words[self.at]:
            self.fail(one_of([*map(repr, self.expected), "the end of the sentence"]))
        return tree

    def sentence(self) -> Sentence:
        first = self.clause()
        return And(first, self.clause()) if self.accept("and") else first

    def clause(self) -> Clause:
        verb = self.expect("go", "pick", "open", "put")
        if verb == "go":
            self.expect("to")
            return GoTo(self.descr(KINDS))
        if verb == "pick":
            self.expect("up")
            return Pickup(self.descr((*MOVABLE, "object"), "doors cannot be picked up"))
        if verb == "open":
            return Open(self.descr(("door",), "only doors can be opened"))
        target = self.descr((*MOVABLE, "object"), "doors cannot be moved")
        self.expect("next")
        self.expect("to")
        return PutNext(target, self.descr(KINDS))

    def descr(self, kinds: tuple[str, ...], otherwise: str = "") -> Descr:
        article = self.expect("the", "a")
        color = self.accept(*COLORS)
        if self.words[self.at] in KINDS and self.words[self.at] not in kinds:
            self.fail(one_of(map(repr, kinds)), because=otherwise)
        return Descr(article, color, self.expect(*kinds), self.location())

    def location(self) -> str | None:
        if self.accept("in"):
            for word in ("front", "of", "you"):
                self.expect(word)
            return "front"
        if self.accept("behind"):
            self.expect("you")
            return "behind"
        if self.accept("on"):
            self.expect("your")
            return self.expect("left", "right")
        return None

    def accept(self, *options: str) -> str | None:
        """Returns the next word and moves past it if it is one of `options`."""
        word = self.words[self.at]
        if word not in options:
            self.expected |= dict.fromkeys(options)
            return None
        self.at += 1
        self.expected.clear()
        return word

    def expect(self, *options: str) -> str:
        """As `accept`, where nothing else fits."""
        return self.accept(*options) or self.fail(one_of(map(repr, self.expected)))

    def fail(self, expected: str, because: str = "") -> NoReturn:
        word, start = self.words[self.at], self.starts[self.at]
        hint = did_you_mean(word, self.expected) if word else ", but the sentence ends here"
        reason = f"{because and because + '; '}expected {expected}{hint}"
        caret = " " * start + "^" * (len(word) or 1)
        raise InstructionError(
            f"cannot read the instruction\n    {self.text}\n    {caret}\n{reason}"
        )
