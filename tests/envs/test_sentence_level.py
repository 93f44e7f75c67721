"""A level for a sentence draws worlds in which the sentence is true and can be done."""

import os
import re
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from minigrid.utils.baby_ai_bot import BabyAIBot

from envs import EnvError, SentenceLevel, parse_instruction
from envs.grammar import descriptions
from envs.solvable import solvable

ONE_ROOM = [
    "go to the red ball",
    "pick up a object",
    "pick up the grey object",
    "go to the ball and pick up the red ball",
    "go to a ball and pick up the red ball",
    "put the red ball next to the blue box",
    "put a key next to a box behind you",
    "pick up a key on your left, then put the ball in front of you next to a box",
    "go to a green box after you pick up the green key and put a ball next to the key",
]
WITH_DOORS = [
    "open the door",
    "open a door",
    "open the red door and go to the blue door",
    "go to the door on your left",
    "put the red ball next to a door",
    "open a door in front of you after you pick up the key",
    "go to a red door and go to a blue door, then go to a green door and open a grey door",
    "pick up the object and open the door, then put the object next to the door",
]
CRAMPED = [("go to the key and go to a ball", 5, 1), ("put the key next to the box", 4, 0)]
WORLDS = [(sentence, 8, 7) for sentence in ONE_ROOM + WITH_DOORS if "the object" not in sentence]
WORLDS += [(sentence, 6, 0) for sentence in ONE_ROOM + WITH_DOORS] + CRAMPED


@pytest.fixture(params=WORLDS, ids=lambda world: f"{world[0]} {world[1]} {world[2]}")
def level(request):
    sentence, room_size, distractors = request.param
    return SentenceLevel(sentence, room_size=room_size, distractors=distractors)


def test_minigrid_writes_the_sentence_of_every_world(level):
    level.reset(seed=0)
    for _ in range(20):
        observation, _ = level.reset()
        assert observation["mission"] == level.instructions[0]
        assert level.instrs.surface(level) == level.instructions[0]
        level.validate_instrs(level.instrs)  # raises RejectSampling


def test_the_is_one_thing_and_a_is_several(level):
    described = list(descriptions(parse_instruction(level.instructions[0])))
    for seed in range(20):
        level.reset(seed=seed)
        for descr in described:
            fitting = [thing for thing in things(level) if fits(level, *thing, descr)]
            assert (len(fitting) == 1) if descr.article == "the" else (len(fitting) >= 2)


def things(level):
    """Lists (object or door, cell), found without minigrid's verifier."""
    for x in range(level.width):
        for y in range(level.height):
            cell = level.grid.get(x, y)
            if cell is not None and cell.type != "wall":
                yield cell, (x, y)


def fits(level, thing, cell, descr):
    """Turns the world instead of the words: the agent looks up at (0, 0)."""
    kinds = {"object": {"ball", "box", "key"}}.get(descr.kind, {descr.kind})
    if thing.type not in kinds or descr.color not in (None, thing.color):
        return False
    if descr.location is None:
        return True
    step = level.room_size - 1
    first = [int(p) // step * step for p in level.agent_pos]
    x, y = (c - p for c, p in zip(cell, level.agent_pos, strict=True))
    for _ in range((3 - level.agent_dir) % 4):
        x, y = -y, x
    holds = {"left": x < 0, "right": x > 0, "front": y < 0, "behind": y > 0}[descr.location]
    return holds and all(f <= c <= f + step for f, c in zip(first, cell, strict=True))


def test_the_agent_starts_on_a_free_cell_and_faces_none_of_the_things(level):
    for seed in range(20):
        level.reset(seed=seed)
        cells = {cell for _, cell in things(level)}
        assert tuple(level.agent_pos) not in cells
        assert tuple(level.front_pos) not in cells
        assert level.grid.get(*level.agent_pos) is None


def test_every_world_can_be_solved_and_its_doors_are_closed_but_not_locked(level):
    for seed in range(20):
        level.reset(seed=seed)
        assert solvable(level)
        assert level.check_objs_reachable(raise_exc=False)
        doors = [thing for thing, _ in things(level) if thing.type == "door"]
        assert not any(door.is_open or door.is_locked for door in doors)


def test_minigrids_bot_solves_every_world(level):
    for seed in range(5):
        level.reset(seed=seed)
        assert bot_succeeds(level)


def bot_succeeds(level):
    bot, action, reward, over = BabyAIBot(level), None, 0, False
    while not over:
        action = bot.replan(action)
        _, reward, terminated, truncated, _ = level.step(action)
        over = terminated or truncated
    return reward > 0


def test_every_mission_of_the_boss_level_makes_a_level_that_the_bot_solves():
    boss = gym.make("BabyAI-BossLevel-v0", disable_env_checker=True)
    for seed in range(100):
        mission = boss.reset(seed=seed)[0]["mission"]
        level = SentenceLevel(mission)
        assert level.reset(seed=seed)[0]["mission"] == mission
        assert bot_succeeds(level)


@pytest.mark.parametrize(
    ("sentence", "rooms"),
    [
        ("go to the ball", (1, 1)),
        ("open the door", (1, 2)),
        ("open a door", (1, 3)),
        ("open a red door and go to the blue door", (2, 2)),
        ("open a red door and go to a blue door, then go to a grey door", (2, 3)),
    ],
)
def test_worlds_have_as_few_rooms_as_their_doors_allow(sentence, rooms):
    level = SentenceLevel(sentence)
    level.reset(seed=0)
    assert (level.num_rows, level.num_cols) == rooms


@pytest.mark.parametrize("distractors", [0, 1, 7])
def test_a_shared_object_is_one_object_and_distractors_are_as_many_as_asked(distractors):
    level = SentenceLevel("go to the ball and pick up the red ball", distractors=distractors)
    level.reset(seed=0)
    assert len(list(things(level))) == 1 + distractors


def test_a_world_can_differ_in_size_from_the_one_before():
    level = SentenceLevel(["go to the ball", "open a door"])
    level.reset(seed=0)
    sizes = set()
    for _ in range(20):
        level.reset()
        assert (level.grid.width, level.grid.height) == (level.width, level.height)
        assert level.max_steps == 64 * level.num_rows * level.num_cols
        sizes.add(level.grid.width)
    assert sizes == {8, 22}


def test_max_steps_counts_two_walks_for_putting():
    level = SentenceLevel("put the red ball next to the blue box and pick up the key")
    level.reset(seed=0)
    assert level.max_steps == 3 * 64


def test_each_sentence_of_an_instruction_is_drawn_about_as_often():
    level = SentenceLevel("go to the {color} ball", distractors=0)
    level.reset(seed=0)
    missions = [level.reset()[0]["mission"] for _ in range(600)]
    counts = [missions.count(sentence) for sentence in level.instructions]
    assert len(counts) == 6
    assert min(counts) > 60
    assert max(counts) < 140


def test_agent_and_ball_start_on_every_cell():
    level = SentenceLevel("go to the ball", room_size=5, distractors=0)
    starts, balls = set(), set()
    level.reset(seed=0)
    for _ in range(300):
        level.reset()
        starts.add(tuple(level.agent_pos))
        balls.update(cell for _, cell in things(level))
    cells = {(x, y) for x in (1, 2, 3) for y in (1, 2, 3)}
    assert starts == balls == cells


SEEDED = [
    "go to the red ball",
    "open a door on your left",
    "put the {color} {object} next to a door",
]


@pytest.mark.parametrize("sentence", SEEDED)
def test_a_seed_gives_the_same_world_whatever_came_before(sentence):
    fresh, used = SentenceLevel(sentence), SentenceLevel(sentence)
    for seed in range(5):
        used.reset(seed=100 + seed)
        used.step(2)
        used.reset()
        assert_same(fresh.reset(seed=seed)[0], used.reset(seed=seed)[0])
        assert fresh.pprint_grid() == used.pprint_grid()


@pytest.mark.parametrize("sentence", SEEDED)
def test_two_copies_agree_for_50_steps(sentence):
    one, other = SentenceLevel(sentence), SentenceLevel(sentence)
    one.reset(seed=7)
    other.reset(seed=7)
    for action in np.random.default_rng(0).integers(7, size=50):
        seen, *rest = one.step(action)
        seen_too, *rest_too = other.step(action)
        assert_same(seen, seen_too)
        assert rest == rest_too


def assert_same(one, other):
    assert one["mission"] == other["mission"]
    assert one["direction"] == other["direction"]
    np.testing.assert_array_equal(one["image"], other["image"])


def test_a_seed_gives_the_same_world_in_another_process():
    level = SentenceLevel(SEEDED)
    level.reset(seed=3)
    code = (
        "from envs import SentenceLevel\n"
        f"level = SentenceLevel({SEEDED!r})\n"
        "level.reset(seed=3)\n"
        "print(level.pprint_grid(), end='')"
    )
    environ = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert shown.stdout.endswith(level.pprint_grid())


@pytest.mark.parametrize(
    ("sentence", "settings", "message"),
    [
        ("go to the red ball", {"room_size": 3}, "room_size is 3: .* type --room-size 8"),
        ("go to the red ball", {"room_size": 21}, "from 4 to 20"),
        ("go to the red ball", {"distractors": -1}, "type --distractors 0"),
        (
            "go to the red ball",
            {"room_size": 4},
            "a room has 4 free cells .* type --room-size 6 or --distractors",
        ),
        ("go to the red ball", {"distractors": 10**6}, "type --distractors"),
        ("go to the object", {}, "no distractor may fit .*; type --distractors 0"),
        ("go to the object", {"room_size": 4, "distractors": 50}, "type --distractors 0"),
        (
            "put a ball next to a key and put a red box next to a blue box",
            {"room_size": 4, "distractors": 50},
            "type --room-size",
        ),
        ("go to the ball and go to a red ball", {}, "'a red ball' that there are several"),
        (
            "open a red door on your left and open a blue door on your left",
            {},
            "no world was found in which 'open a red door",
        ),
    ],
)
def test_an_impossible_level_says_what_to_type(sentence, settings, message):
    with pytest.raises(EnvError, match=message):
        SentenceLevel(sentence, **settings)


def test_what_an_error_tells_to_type_works():
    with pytest.raises(EnvError) as error:
        SentenceLevel("go to a ball", room_size=5, distractors=9)
    room_size = int(re.search(r"--room-size (\d+)", str(error.value))[1])
    distractors = int(re.search(r"--distractors (\d+)", str(error.value))[1])
    for level in (
        SentenceLevel("go to a ball", room_size=room_size, distractors=9),
        SentenceLevel("go to a ball", room_size=5, distractors=distractors),
    ):
        for seed in range(20):
            level.reset(seed=seed)


def test_the_mission_space_holds_the_sentences_and_no_others():
    level = SentenceLevel("go to the {color} ball")
    space = level.observation_space
    assert level.reset(seed=0)[0] in space
    assert "go to the red key" not in space["mission"]
    space.seed(0)
    assert all(space["mission"].sample() in level.instructions for _ in range(10))


def test_gymnasium_makes_the_level_by_its_id():
    env = gym.make("FiLM-RL/Instruction-v0", instructions="go to the red ball", room_size=6)
    assert isinstance(env.unwrapped, SentenceLevel)
    assert env.reset(seed=0)[0]["mission"] == "go to the red ball"
