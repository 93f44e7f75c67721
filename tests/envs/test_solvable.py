"""A world is solvable if a plan exists that moves only what the instruction says."""

import pytest
from minigrid.core.grid import Grid
from minigrid.core.roomgrid import RoomGrid
from minigrid.core.world_object import Ball, Box, Door, Key, Wall
from minigrid.utils.baby_ai_bot import BabyAIBot

from envs import parse_instruction
from envs.solvable import solvable
from envs.verifier import to_minigrid
from envs.world import World

THINGS = {
    "#": Wall,
    "b": lambda: Ball("red"),
    "k": lambda: Key("blue"),
    "x": lambda: Box("grey"),
    "D": lambda: Door("green"),
    " ": lambda: None,
    "^": lambda: None,
}


def world(sentence, *rows):
    """Builds the drawn world as one room; the agent looks up."""
    level = World(room_size=len(rows[0]), distractors=0)
    RoomGrid._gen_grid(level, level.width, level.height)
    level.grid = Grid(level.width, level.height)
    level.grid.wall_rect(0, 0, level.width, level.height)
    for y, row in enumerate(rows):
        for x, symbol in enumerate(row):
            level.grid.set(x, y, THINGS[symbol]())
            if level.grid.get(x, y) is not None:
                level.grid.get(x, y).cur_pos = (x, y)
            if symbol == "^":
                level.agent_pos, level.agent_dir = (x, y), 3
    level.instrs = to_minigrid(parse_instruction(sentence))
    return level


def test_an_object_in_reach_is_solvable():
    assert solvable(world("go to the ball", "#####", "#b  #", "# x^#", "#####"))


@pytest.mark.parametrize("sentence", ["go to the ball", "go to the key", "go to a box"])
def test_nothing_may_be_out_of_reach(sentence):
    assert not solvable(world(sentence, "#####", "#bxk#", "#x ^#", "#####"))


def test_an_object_behind_a_door_is_in_reach():
    assert solvable(world("pick up the key", "######", "#kD^b#", "######"))


def test_nothing_can_be_put_into_a_doorway():
    assert not solvable(world("put the ball next to the key", "######", "#kD^b#", "######"))


def test_an_object_can_be_put_beside_a_door():
    assert solvable(world("put the ball next to the door", "######", "#kD^b#", "######"))


@pytest.mark.parametrize(
    "sentence",
    [
        "pick up the ball and pick up the key",
        "pick up the ball, then pick up the key",
        "pick up the ball after you pick up the key",
        "put the ball next to the key and go to the ball",
    ],
)
def test_what_is_carried_can_be_put_down_in_a_corridor(sentence):
    assert solvable(world(sentence, "#####", "#k^b#", "#####"))


def test_a_put_object_may_be_taken_out_of_the_way_again():
    sentence = "put the ball next to the door, then go to the key"
    level = world(sentence, "#######", "#k D ^#", "#####b#", "#######")
    assert solvable(level)


def test_two_objects_cannot_both_be_put_where_there_is_room_for_one():
    # The box has one free neighbour; the door next to the key takes nothing.
    level = world(
        "put the ball next to the box and put the box next to the key",
        "#######",
        "#kDx^b#",
        "#######",
    )
    assert not solvable(level)


def test_the_bot_carries_out_what_is_called_solvable_in_the_drawn_worlds():
    level = world("put the ball next to the door", "######", "#kD^b#", "######")
    assert solvable(level)
    level.max_steps, level.step_count, level.carrying = 100, 0, None
    bot, action, reward = BabyAIBot(level), None, 0
    while reward == 0 and level.step_count < level.max_steps:
        action = bot.replan(action)
        reward = level.step(action)[1]
    assert reward > 0
