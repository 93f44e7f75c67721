"""Slots stand for all their words; what contradicts itself is left out or refused."""

import pytest

from envs import EnvError, InstructionError, expand, parse_instruction
from envs.grammar import COLORS, MOVABLE
from envs.slots import contradiction


def test_a_sentence_without_slots_is_itself_in_canonical_form():
    assert expand("Go to THE red  ball") == ("go to the red ball",)


def test_slots_take_all_their_values():
    expected = {f"go to the {color} {kind}" for color in COLORS for kind in MOVABLE}
    assert set(expand("go to the {color} {object}")) == expected


def test_slots_are_filled_independently_and_nothing_is_put_next_to_itself():
    sentences = expand("put the {color} {object} next to the {color} {object}")
    assert len(sentences) == 18 * 18 - 18


def test_locations_are_a_slot():
    assert expand("go to the key {location}") == (
        "go to the key behind you",
        "go to the key in front of you",
        "go to the key on your left",
        "go to the key on your right",
    )


def test_sentences_come_once_and_sorted_whatever_the_order_of_the_instructions():
    one, other = "go to the {color} ball", "go to the red {object}"
    sentences = expand([one, other])
    assert sentences == expand([other, one])
    assert list(sentences) == sorted(set(sentences))
    assert len(sentences) == 6 + 3 - 1


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ("go to the {colour} ball", r"no slot is called \{colour\}.*did you mean 'color'"),
        ("go to the {} ball", r"no slot is called \{\}: \{color\}, \{object\} or \{location\}"),
        ([], "no instruction was given"),
        ("put the red ball next to the red ball", "cannot be put next to itself"),
        ("put the {color} ball next to the ball", "contradicts itself"),
        (["go to the key", "go to the key and go to a key"], "contradicts itself"),
        (
            " and ".join(["put the {color} {object} next to the {color} box {location}"] * 2),
            "stands for",
        ),
    ],
)
def test_an_error_says_what_is_wrong(instructions, message):
    with pytest.raises(EnvError, match=message):
        expand(instructions)


def test_a_broken_slot_is_not_in_the_language():
    with pytest.raises(InstructionError, match="expected"):
        expand("go to the {color ball")


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("go to the ball and go to a red ball", "'the ball' means that there is one, 'a red ball'"),
        ("go to a door, then open the door", "there is one, 'a door'"),
        (
            "go to the red ball and go to the blue ball, then pick up the ball",
            "but 'the red ball' and 'the blue ball' are two",
        ),
        ("go to the object and go to the red key, then go to the box", "are two"),
        (
            "go to the ball and go to the ball on your left after you go to the ball on your right",
            "are two",
        ),
        ("put a ball on your left next to a ball", "'a ball on your left' fits 'a ball'"),
    ],
)
def test_contradictions_are_explained(sentence, reason):
    assert reason in contradiction(parse_instruction(sentence))


@pytest.mark.parametrize(
    "sentence",
    [
        "go to the ball and pick up the red ball",
        "go to a ball and pick up the red ball",
        "go to the object and pick up the red ball",
        "go to the object and open the door",
        "put the red ball next to the ball on your left",
        "go to the ball on your left and go to the ball in front of you, then go to the ball",
    ],
)
def test_words_that_can_be_true_together_are_no_contradiction(sentence):
    assert contradiction(parse_instruction(sentence)) is None
