"""Held-out pairs are named by no sentence that is left; related sentences are known ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import EnvError, expand, parse_instruction
from envs.grammar import COLORS, MOVABLE, descriptions
from envs.hold_out import divided, read_pairs, related

ALL = expand("go to the {color} {object}")
PAIRS = st.lists(st.sampled_from([f"{c} {k}" for c in COLORS for k in MOVABLE]), unique=True)


def names(sentence: str, pair: str) -> bool:
    return any(f"{d.color} {d.kind}" == pair for d in descriptions(parse_instruction(sentence)))


@given(PAIRS.filter(lambda pairs: 0 < len(pairs) < 18))
def test_each_sentence_is_left_or_held_out_and_the_left_name_no_pair(pairs):
    left, held_out = divided(ALL, pairs)
    assert sorted(left + held_out) == sorted(ALL)
    assert not any(names(sentence, pair) for sentence in left for pair in pairs)
    assert all(any(names(sentence, pair) for pair in pairs) for sentence in held_out)


def test_a_longer_sentence_is_held_out_wherever_it_names_the_pair():
    sentences = expand("put the {color} {object} next to the {color} {object}")
    left, held_out = divided(sentences, ["red key"])
    assert len(held_out) == 2 * 17
    assert not any("red key" in sentence for sentence in left)


def test_both_clauses_count():
    both = "go to the red key and open the red door"
    sentences = expand([both, "go to the key", "go to the red box"])
    left, held_out = divided(sentences, ["red key"])
    assert held_out == (both,)
    assert left == ("go to the key", "go to the red box")


@given(PAIRS.filter(lambda pairs: 0 < len(pairs) < 12))
def test_related_sentences_are_known_and_each_word_stands_twice_in_the_sum(pairs):
    left, held_out = divided(ALL, pairs)
    for sentence in held_out:
        three = related(sentence, read_pairs(pairs), left)
        if three is None:
            continue
        assert set(three) <= set(left)
        words = [one.split() for one in (three.kind, three.color, sentence, three.both)]
        for kind, color, own, both in zip(*words, strict=True):
            assert sorted((kind, color)) == sorted((own, both))


def test_the_choice_by_example():
    left, _ = divided(ALL, ["red key", "red box"])
    three = related("go to the red key", [("red", "key")], left)
    assert three == ("go to the red ball", "go to the green key", "go to the green ball")
    assert related("go to the red ball", [("red", "key")], left) is None


def test_two_pairs_of_one_sentence_change_together():
    sentences = expand("put the {color} {object} next to the {color} {object}")
    left, held_out = divided(sentences, ["red key", "blue ball"])
    sentence = "put the red key next to the blue ball"
    assert sentence in held_out
    three = related(sentence, read_pairs(["red key", "blue ball"]), left)
    assert three is not None
    assert set(three) <= set(left)


def test_there_may_be_no_related_sentences():
    left, (sentence,) = divided(expand("go to the {color} ball"), ["red ball"])
    assert related(sentence, [("red", "ball")], left) is None


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["rde key"], "'rde key' cannot be held out: expected a colour.*did you mean 'red'"),
        (["key"], "expected a colour"),
        (["red object"], "expected a colour"),
        (["red door"], "none of the 18 sentences names it"),
        ([f"{c} {k}" for c in COLORS for k in MOVABLE], "every sentence is held out"),
    ],
)
def test_a_mistake_says_what_is_wrong(pairs, message):
    with pytest.raises(EnvError, match=message):
        divided(ALL, pairs)
