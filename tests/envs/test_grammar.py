"""The grammar reads and writes the language that minigrid speaks."""

import re

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import MAX_WORDS, WORDS, InstructionError, level_ids, parse_instruction, tokenize
from envs.grammar import (
    COLORS,
    KINDS,
    LOCATIONS,
    After,
    And,
    Before,
    Descr,
    GoTo,
    Open,
    Pickup,
    PutNext,
    clauses,
    descriptions,
)
from envs.verifier import to_minigrid

SEEDS_OF_LONG_LEVELS = {"BossLevel": 60, "SynthSeq": 60, "GoToSeq": 60, "MiniBossLevel": 60}

articles = st.sampled_from(["the", "a"])
colors = st.sampled_from([None, *COLORS])
locations = st.sampled_from([None, *LOCATIONS])


def descrs(*kinds):
    return st.builds(Descr, articles, colors, st.sampled_from(kinds), locations)


movables = descrs("box", "ball", "key", "object")
any_clause = st.one_of(
    st.builds(GoTo, descrs(*KINDS)),
    st.builds(Pickup, movables),
    st.builds(Open, descrs("door")),
    st.builds(PutNext, movables, descrs(*KINDS)),
)
sentences = st.one_of(any_clause, st.builds(And, any_clause, any_clause))
trees = st.one_of(
    sentences, st.builds(Before, sentences, sentences), st.builds(After, sentences, sentences)
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(trees)
def test_every_tree_is_read_back_from_its_sentence(tree):
    assert parse_instruction(str(tree)) == tree


@pytest.mark.parametrize("level", level_ids())
def test_every_mission_of_minigrid_is_printed_back_word_for_word(level):
    name = level.removeprefix("BabyAI-").split("-")[0]
    env = gym.make(level, disable_env_checker=True)
    for seed in range(SEEDS_OF_LONG_LEVELS.get(name, 5)):
        mission = env.reset(seed=seed)[0]["mission"]
        assert str(parse_instruction(mission)) == mission
        assert len(tokenize(mission)) == len(mission.split())


@settings(derandomize=True, deadline=None, max_examples=500)
@given(trees, st.data())
def test_a_damaged_sentence_is_refused_or_read_as_another_sentence(tree, data):
    words = str(tree).split()
    index = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(st.sampled_from([*WORDS, "", "rde", "42", "é", "\t,", "{color}", "İ"]))
    damaged = " ".join([*words[:index], other, *words[index + data.draw(st.integers(0, 2)) :]])
    assert_refused_or_canonical(damaged)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS)).map(" ".join)))
def test_nonsense_is_refused(text):
    assert_refused_or_canonical(text)


def assert_refused_or_canonical(text):
    try:
        tree = parse_instruction(text)
    except InstructionError:
        return
    assert parse_instruction(str(tree)) == tree


@settings(derandomize=True, deadline=None)
@given(trees, st.randoms(use_true_random=False))
def test_case_spaces_and_punctuation_do_not_matter(tree, random):
    shouted = "".join(c.upper() if random.random() < 0.5 else c for c in str(tree))
    spaced = re.sub(" ", lambda _: random.choice([" ", "  ", "\t", "\n"]), shouted)
    unpunctuated = spaced.replace(",", random.choice(["", ",", " ,", ";"]))
    assert parse_instruction(f"  {unpunctuated}. ") == tree


@pytest.mark.parametrize(
    ("sentence", "meant"),
    [
        ("pick up an object", "pick up a object"),
        ("go to the gray key", "go to the grey key"),
        ("go to the key then open a door", "go to the key, then open a door"),
    ],
)
def test_other_spellings_are_understood(sentence, meant):
    assert str(parse_instruction(sentence)) == meant


def test_after_does_its_second_sentence_first_but_prints_it_last():
    tree = parse_instruction("go to the key after you open the red door")
    assert tree == After(GoTo(Descr("the", None, "key")), Open(Descr("the", "red", "door")))


@settings(derandomize=True, deadline=None)
@given(trees)
def test_clauses_and_descriptions_come_in_the_order_of_the_words(tree):
    text = str(tree)
    assert [str(clause) for clause in clauses(tree)] == re.split(", then | after you | and ", text)
    kinds = [word for word in re.findall(r"\w+", text) if word in KINDS]
    assert [descr.kind for descr in descriptions(tree)] == kinds


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("", "the instruction is empty; type a sentence"),
        (" .,!", "the instruction is empty"),
        ("go to the rde ball", "did you mean 'red'"),
        ("go to the red bal", "did you mean 'ball'"),
        ("goo to the ball", "expected 'go', 'pick', 'open' or 'put'; did you mean 'go'"),
        ("go to ball", "expected 'the' or 'a'"),
        ("go to the red", "but the sentence ends here"),
        ("pick up the red door", "doors cannot be picked up; expected 'box', 'ball', 'key'"),
        ("put the door next to the box", "doors cannot be moved"),
        ("open the box", "only doors can be opened; expected 'door'"),
        ("go to the ball please", "or the end of the sentence"),
        ("go to the ball on you left", "expected 'your'"),
        ("go to a key, then go to a box, then go to a ball", "'and' or the end of the sentence"),
    ],
)
def test_an_error_says_what_was_expected(sentence, message):
    with pytest.raises(InstructionError, match=message):
        parse_instruction(sentence)


def test_an_error_points_at_the_word():
    with pytest.raises(InstructionError) as error:
        parse_instruction("Go to  the RDE ball")
    lines = str(error.value).splitlines()
    assert lines[1:3] == ["    Go to the RDE ball", "              ^^^"]


def test_the_language_has_32_words_with_ids_from_1_in_alphabetical_order():
    assert len(WORDS) == 32
    assert list(WORDS) == sorted(WORDS)
    assert tokenize(" ".join(WORDS)) == list(range(1, 33))


def test_the_longest_sentence_has_max_words():
    descr = "the red ball in front of you"
    half = f"put {descr} next to {descr} and put {descr} next to {descr}"
    assert len(tokenize(f"{half} after you {half}")) == MAX_WORDS


@settings(derandomize=True, deadline=None)
@given(trees)
def test_no_sentence_is_longer_than_max_words(tree):
    assert 0 < len(tokenize(str(tree))) <= MAX_WORDS


def test_a_word_outside_the_language_has_no_token():
    with pytest.raises(InstructionError, match=r"'bal' is not a word .*; did you mean 'ball'"):
        tokenize("go to the bal")


@pytest.mark.parametrize("level", ["BabyAI-BossLevel-v0", "BabyAI-SynthSeq-v0"])
def test_minigrid_writes_the_verifier_of_a_parsed_mission_as_the_mission(level):
    env = gym.make(level, disable_env_checker=True)
    for seed in range(40):
        mission = env.reset(seed=seed)[0]["mission"]
        assert to_minigrid(parse_instruction(mission)).surface(env) == mission


def test_an_object_is_a_box_a_ball_or_a_key_but_no_wall_and_no_door():
    env = gym.make("BabyAI-BossLevel-v0", disable_env_checker=True)
    env.reset(seed=0)
    instr = to_minigrid(parse_instruction("pick up a object"))
    instr.reset_verifier(env)
    movable = [cell for cell in env.unwrapped.grid.grid if cell and cell.can_pickup()]
    assert set(instr.desc.obj_set) == set(movable)
    assert instr.desc.obj_poss == [obj.cur_pos for obj in instr.desc.obj_set]
