"""One grammar of CLEVR's questions, used both ways: English to terms, and terms to English.

A rule says that a wording means a term: it reads as a production of a context-free grammar, and
as its translation (a synchronous grammar). In a wording `[x]` may be left out, `(x|y)` is one of
the two, and `{name:kind}` is a phrase of a kind, whose meaning is the variable `name` of the term.

    kind              phrase                                           means
    thing, things     large red cube(s)                                a description
    object, objects   thing(s) or object(s), nothing more said         a description
    relation          to the left of                                   a relation
    one, many         red cube(s) [that are] left of the ball          a set
    question          how many ... are there                           an answer

Some wordings are kept for some sets: `plain` has no relation in it, `hop` at most relations one
after another, `linked` at least one relation or sameness.

`{a}` stands for each attribute in turn. The wordings are written from the released questions.
`UNDERSTOOD` holds wordings that are read and never written.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from vqa.terms import ATTRIBUTES, Term, pattern


@dataclass(frozen=True)
class Slot:
    """A phrase of a kind, whose meaning is the variable `name`."""

    name: str
    kind: str


@dataclass(frozen=True)
class Rule:
    """A wording and what it means; each of `variants` is the wording with its choices made."""

    meaning: Term
    variants: tuple[tuple[str | Slot, ...], ...]
    written: bool


Table = dict[str, list[str]]  # what is meant, and the wordings that mean it

PLAIN = {"filter(f, scene())": ["{f:things}"]}
BESIDE = {"filter(f, relate(r, unique(s)))": ["{f:things} [that are] {r:relation} the {s:one}"]}
BOTH = {
    "filter(f, intersect(relate(q, unique(t)), relate(r, unique(s))))": [
        "{f:things} that are [both] {r:relation} the {s:one} and {q:relation} the {t:one}"
    ]
}
ALIKE = {
    "filter(f, same_{a}(unique(s)))": ["[other] {f:things} that are the same {a} as the {s:one}"],
    "filter(f, same_material(unique(s)))": [
        "[other] {f:things} that are made of the same material as the {s:one}"
    ],
}
SETS = {
    "plain": (PLAIN,),
    "hop": (PLAIN, BESIDE),
    "linked": (BESIDE, BOTH, ALIKE),
    "one": (PLAIN, BESIDE, BOTH, ALIKE),
}

COUNTS = {
    "count(filter(f, scene()))": ["(how many|what number of) {f:things} are there"],
    "count(filter(f, relate(r, unique(s))))": [
        "(how many|what number of) {f:things} are {r:relation} the {s:one}",
        "there is a {s:one} ; (how many|what number of) {f:things} are {r:relation} it",
    ],
    "count(filter(f, intersect(relate(q, unique(t)), relate(r, unique(s)))))": [
        "(how many|what number of) {f:things} are [both] {r:relation} the {s:one} "
        "and {q:relation} the {t:one}"
    ],
    "count(filter(f, union(s, t)))": [
        "(how many|what number of) {f:things} are [either] {s:many} or {t:many}"
    ],
    "count(filter(f, same_{a}(unique(s))))": [
        "(how many|what number of) [other] {f:things} are the same {a} as the {s:one}",
        "(how many|what number of) [other] {f:things} have the same {a} as the {s:one}",
        "(how many|what number of) other {f:objects} are there of the same {a} as the {s:one}",
    ],
    "count(filter(f, same_material(unique(s))))": [
        "(how many|what number of) [other] {f:things} are made of the same material as the {s:one}"
    ],
}
EXISTS = {
    "exist(filter(f, scene()))": [
        "are there any {f:things}",
        "is there a {f:thing}",
        "are any {f:things} visible",
    ],
    "exist(filter(f, relate(r, unique(s))))": [
        "are there any {f:things} [that are] {r:relation} the {s:one}",
        "is there a {f:thing} [that is] {r:relation} the {s:one}",
        "there is a {s:one} ; are there any {f:things} [that are] {r:relation} it",
        "there is a {s:one} ; is there a {f:thing} [that is] {r:relation} it",
    ],
    "exist(filter(f, same_{a}(unique(s))))": [
        "are there any [other] {f:things} (that have|of) the same {a} as the {s:one}",
        "is there a [other] {f:thing} (that has|of) the same {a} as the {s:one}",
        "are there any other {f:objects} that are the same {a} as the {s:one}",
        "is there any other {f:object} that has the same {a} as the {s:one}",
        "is there any other {f:object} that is the same {a} as the {s:one}",
    ],
    "exist(filter(f, same_material(unique(s))))": [
        "are there any [other] {f:things} made of the same material as the {s:one}",
        "is there a [other] {f:thing} made of the same material as the {s:one}",
        "is there any other {f:object} that is made of the same material as the {s:one}",
    ],
}
QUERIES = {
    "query_{a}(unique(s))": [
        "what {a} is the {s:one}",
        "what is the {a} of the {s:one}",
        "the {s:one} is what {a}",
        "the {s:plain} has what {a}",
        "there is a {s:linked} ; what {a} is it",
        "there is a {s:linked} ; what is its {a}",
    ],
    "query_material(unique(s))": [
        "what is the {s:hop} made of",
        "what material is the {s:hop} made of",
        "the {s:hop} is made of what material",
        "there is a {s:linked} ; what is it made of",
    ],
    "query_size(unique(s))": [
        "how big is the {s:hop}",
        "there is a {s:linked} ; how big is it",
    ],
}
NUMBERS = {
    "greater_than(count(s), count(t))": [
        "are there more {s:many} than {t:many}",
        "is the number of {s:many} greater than the number of {t:many}",
    ],
    "less_than(count(s), count(t))": [
        "are there fewer {s:many} than {t:many}",
        "is the number of {s:many} less than the number of {t:many}",
    ],
    "equal_integer(count(s), count(t))": [
        "are there a equal number of {s:many} and {t:many}",
        "are there the same number of {s:many} and {t:many}",
        "is the number of {s:many} the same as the number of {t:many}",
    ],
}
COMPARISONS = {
    "equal_{a}(query_{a}(unique(s)), query_{a}(unique(t)))": [
        "do the {s:one} and the {t:one} have the same {a}",
        "does the {s:one} have the same {a} as the {t:one}",
        "is the {a} of the {s:one} the same as the {t:one}",
        "is the {s:plain} the same {a} as the {t:plain}",
        "there is a {s:linked} ; (does it have|is it) the same {a} as the {t:one}",
        "there is a {s:plain} ; (does it have|is it) the same {a} as the {t:linked}",
        "there is a {s:linked} ; is its {a} the same as the {t:one}",
        "there is a {s:plain} ; is its {a} the same as the {t:linked}",
    ],
    "equal_material(query_material(unique(s)), query_material(unique(t)))": [
        "are the {s:one} and the {t:one} made of the same material",
        "is the {s:one} made of the same material as the {t:one}",
        "there is a {s:linked} ; is it made of the same material as the {t:one}",
        "there is a {s:plain} ; is it made of the same material as the {t:linked}",
    ],
}
UNDERSTOOD_SETS = {
    "filter(f, same_{a}(unique(s)))": [
        "[other] {f:things} (that have|of) the same {a} as the {s:one}"
    ],
    "filter(f, same_material(unique(s)))": [
        "[other] {f:things} made of the same material as the {s:one}"
    ],
}
UNDERSTOOD = {
    "count(s)": [
        "(how many|what number of) {s:many} [are there]",
        "(how many|what number of) {s:many} are (visible|in the image|in the picture)",
        "what is the number of {s:many}",
    ],
    "count(filter(f, same_{a}(unique(s))))": [
        "(how many|what number of) {f:things} are there (of|that have|that are) "
        "the same {a} as the {s:one}",
        "(how many|what number of) other {f:things} are there of the same {a} as the {s:one}",
        "(how many|what number of) [other] {f:things} are of the same {a} as the {s:one}",
        "there is a {s:one} ; (how many|what number of) [other] {f:things} (are|have|are there of) "
        "the same {a} as it",
    ],
    "exist(s)": [
        "are there [any] {s:many}",
        "is there (a|any) {s:one}",
        "are any {s:many} visible",
        "is a {s:one} visible",
    ],
    "exist(filter(f, relate(r, unique(s))))": ["are any {f:things} {r:relation} the {s:one}"],
    "exist(filter(f, same_{a}(unique(s))))": [
        "do any [other] {f:things} have the same {a} as the {s:one}",
        "there is a {s:one} ; are there any [other] {f:things} (that have|of|that are) "
        "the same {a} as it",
        "there is a {s:one} ; is there (a|any) [other] {f:thing} (that has|of|that is) "
        "the same {a} as it",
    ],
    "query_{a}(unique(s))": [
        "the {s:one} has what {a}",
        "what {a} does the {s:one} have",
        "there is a {s:one} ; (what {a} is it|what is its {a}|what {a} does it have)",
    ],
    "query_color(unique(s))": ["which color is the {s:one}", "the {s:one} is which color"],
    "query_size(unique(s))": [
        "how (big|large) is the {s:one}",
        "there is a {s:one} ; how (big|large) is it",
    ],
    "query_material(unique(s))": [
        "what [material] is the {s:one} made of",
        "the {s:one} is made of what [material]",
        "there is a {s:one} ; what [material] is it made of",
    ],
    "equal_{a}(query_{a}(unique(s)), query_{a}(unique(t)))": [
        "are the {s:one} and the {t:one} (the same {a}|of the same {a})",
        "is the {s:one} [of] the same {a} as the {t:one}",
        "is the {a} of the {s:one} the same as (the {a} of|that of) the {t:one}",
        "is the {a} of the {s:one} and the {t:one} the same",
        "there is a {s:one} ; (does it have|is it) the same {a} as the {t:one}",
        "there is a {s:one} ; is its {a} the same as the {t:one}",
    ],
    "equal_material(query_material(unique(s)), query_material(unique(t)))": [
        "there is a {s:one} ; is it made of the same material as the {t:one}"
    ],
    "greater_than(count(s), count(t))": [
        "is the number of {s:many} (more|larger|bigger) than the number of {t:many}"
    ],
    "less_than(count(s), count(t))": [
        "is the number of {s:many} (fewer|smaller) than the number of {t:many}",
        "are there less {s:many} than {t:many}",
    ],
    "equal_integer(count(s), count(t))": [
        "are there as many {s:many} as {t:many}",
        "is the number of {s:many} equal to the number of {t:many}",
        "is there (a equal|the same) number of {s:many} and {t:many}",
    ],
}


def variants(wording: str) -> list[tuple[str | Slot, ...]]:
    """The wording with every choice made, in every way, the longest first."""
    bracket = re.search(r"\[([^][()]*)\]|\(([^][()]*)\)", wording)
    if bracket is None:
        parts = re.findall(r"\{\w+:\w+\}|[^\s{}]+", wording)
        return [tuple(Slot(*p[1:-1].split(":")) if p[0] == "{" else p for p in parts)]
    optional, choice = bracket.groups()
    options = [optional, ""] if choice is None else choice.split("|")
    before, after = wording[: bracket.start()], wording[bracket.end() :]
    return [v for option in options for v in variants(f"{before}{option}{after}")]


def singular(wording: str) -> str:
    """The wording about one thing of a wording about several."""
    one = wording.replace(":things}", ":thing}").replace("that are", "that is")
    return one.replace("that have", "that has")


def _rules(*tables: Table, written: bool = True, reword: Callable[[str], str] = str) -> list[Rule]:
    return [
        Rule(
            pattern(meaning.replace("{a}", a)),
            tuple(variants(reword(wording).replace("{a}", a))),
            written,
        )
        for table in tables
        for meaning, wordings in table.items()
        for a in (ATTRIBUTES if "{a}" in meaning else ("",))
        for wording in wordings
    ]


RULES = {kind: _rules(*tables, reword=singular) for kind, tables in SETS.items()}
RULES["one"] += _rules(UNDERSTOOD_SETS, reword=singular, written=False)
RULES["many"] = _rules(*SETS["one"]) + _rules(UNDERSTOOD_SETS, written=False)
RULES["question"] = _rules(COUNTS, EXISTS, QUERIES, NUMBERS, COMPARISONS)
RULES["question"] += _rules(UNDERSTOOD, written=False)
