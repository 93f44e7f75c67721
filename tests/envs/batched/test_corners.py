"""The odd corners of minigrid's verifier, each on a small world of its own, beside minigrid.

L left, R right, F forward, P pick up, D drop, T toggle, N done.
"""

import gymnasium as gym
import numpy as np
import pytest
import torch
from minigrid.core.world_object import Ball, Box, Door, Key
from minigrid.envs.babyai.core import verifier
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from minigrid.envs.babyai.core.verifier import (
    AfterInstr,
    AndInstr,
    BeforeInstr,
    GoToInstr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
)

from envs.batched import BatchedBabyAI, LevelBank
from envs.batched.cells import WANTED_SHIFT

BALL, BOX, KEY = ObjDesc("ball", "red"), ObjDesc("box", "blue"), ObjDesc("key", "green")
DOOR = ObjDesc("door")


class Room(RoomGridLevel):
    """The agent at (1, 1) looks right; things lie where they are put."""

    def __init__(self, instr, things, doors=()):
        self.make, self.things, self.doors = instr, things, doors
        super().__init__(room_size=6, num_rows=1, num_cols=2)

    def gen_mission(self):
        for place, thing in self.things.items():
            self.put_obj(thing, *place)
        for y, door in self.doors:
            self.grid.set(5, y, door)
        self.agent_pos, self.agent_dir = (1, 1), 0
        self.instrs = self.make


def run(instr, things, acts, doors=()):
    """Both verdicts after each action, asserted equal: (reward > 0, terminated)."""
    env = Room(instr, things, doors)
    first = env.reset(seed=0)[0]
    worlds = BatchedBabyAI(LevelBank.from_minigrid([env]), 1, autoreset=False)
    np.testing.assert_array_equal(worlds.observe().image[0].numpy(), first["image"])
    verdicts = []
    for act in acts:
        action = "LRFPDTN".index(act)
        view, reward, terminated, truncated, _ = env.step(action)
        step = worlds.step(torch.tensor([action]))
        np.testing.assert_array_equal(step.image[0].numpy(), view["image"])
        assert step.reward.item() == reward
        assert (step.terminated.item(), step.truncated.item()) == (terminated, truncated)
        verdicts.append((reward > 0, terminated))
        if terminated or truncated:
            break
    return verdicts


def done_at(acts):
    """Success on the last action, nothing before."""
    return [(False, False)] * (len(acts) - 1) + [(True, True)]


def never(acts):
    return [(False, False)] * len(acts)


def fails_at(acts):
    return [(False, False)] * (len(acts) - 1) + [(False, True)]


def test_t1_picked_up_then_gone_to_on_the_same_step():
    assert run(BeforeInstr(PickupInstr(BALL), GoToInstr(BALL)), {(2, 1): Ball("red")}, "P") == [
        (True, True)
    ]


def two_goals():
    return BeforeInstr(GoToInstr(BOX), GoToInstr(BALL)), {(2, 1): Ball("red"), (1, 2): Box("blue")}


def test_t2_the_empty_place_of_what_is_carried_counts():
    assert run(*two_goals(), "PRL") == done_at("PRL")
    assert run(*two_goals(), "PFLLFLL") == done_at("PFLLFLL")


def test_t3_a_drop_elsewhere_makes_the_old_place_forgotten():
    assert run(*two_goals(), "PFDLLFLL") == never("PFDLLFLL")
    assert run(*two_goals(), "PRDL") == never("PRDL")  # also one that drops nothing


def test_t4_a_destroyed_box_is_still_gone_to():
    instr = BeforeInstr(PickupInstr(BALL), GoToInstr(BOX))
    things = {(2, 1): Box("blue"), (1, 2): Ball("red")}
    assert run(instr, things, "TRPL") == done_at("TRPL")
    assert run(instr, things, "TDRPL") == never("TDRPL")


def test_t5_put_next():
    instr = PutNextInstr(BALL, BOX)
    things = {(2, 1): Ball("red"), (2, 3): Box("blue")}
    acts = "PRFLD"
    assert run(instr, things, acts) == done_at(acts)


def test_t6_one_drop_does_only_the_first_half():
    instr = BeforeInstr(PutNextInstr(BALL, BOX), PutNextInstr(BALL, KEY))
    things = {(2, 1): Ball("red"), (2, 3): Box("blue"), (3, 2): Key("green")}
    assert run(instr, things, "PRFLD") == never("PRFLD")
    assert run(instr, things, "PRFLDPD") == done_at("PRFLDPD")


def test_t7_what_is_already_in_hand_is_not_picked_up():
    instr = BeforeInstr(GoToInstr(BOX), PickupInstr(BALL))
    things = {(2, 1): Ball("red"), (1, 2): Box("blue")}
    assert run(instr, things, "PRP") == never("PRP")
    assert run(instr, things, "PRLDP") == done_at("PRLDP")


@pytest.mark.parametrize("order", [BeforeInstr, AfterInstr])
def test_t7b_unless_the_first_half_ends_on_a_pickup(order):
    assert run(order(PickupInstr(BALL), PickupInstr(BALL)), {(2, 1): Ball("red")}, "P") == [
        (True, True)
    ]


@pytest.mark.parametrize("state", [{"is_locked": True}, {"is_open": True}])
def test_t8_a_strict_open_of_what_does_not_open_fails(state):
    for strict in (True, False):
        doors = [(1, Door("red", **state))]
        verdicts = run(OpenInstr(DOOR, strict=strict), {}, "FFFT", doors)
        assert verdicts == (fails_at("FFFT") if strict else never("FFFT"))


def test_strict_hands_fail_on_the_wrong_object():
    things = {(2, 1): Ball("red"), (2, 3): Box("blue"), (4, 4): Key("green")}
    assert run(PickupInstr(BOX, strict=True), things, "P") == [(False, True)]
    assert run(PutNextInstr(BALL, BOX, strict=True), things, "P") == [(False, True)]
    assert run(AndInstr(PickupInstr(BOX, strict=True), GoToInstr(BOX)), things, "P") == never("P")


def test_strict_order_fails_when_the_second_is_done_first():
    things = {(2, 1): Ball("red"), (1, 2): Key("green"), (4, 4): Box("blue")}
    box, ball, key = PickupInstr(BOX), GoToInstr(BALL), GoToInstr(KEY)
    assert run(BeforeInstr(box, ball, strict=True), things, "N") == [(False, True)]
    assert run(AfterInstr(ball, box, strict=True), things, "N") == [(False, True)]
    assert run(BeforeInstr(box, AndInstr(ball, key), strict=True), things, "NR") == fails_at("NR")
    assert run(BeforeInstr(box, AndInstr(ball, key)), things, "NR") == never("NR")


def test_t9_the_first_view_is_from_before_the_object_is_in_hand():
    env = gym.make("BabyAI-PutNextS5N2Carrying-v0", disable_env_checker=True)
    for seed in range(20):
        first = env.reset(seed=seed)[0]
        worlds = BatchedBabyAI(LevelBank.from_minigrid([env]), 1, autoreset=False)
        np.testing.assert_array_equal(worlds.observe().image[0].numpy(), first["image"])
        for action in (4, 3, 4, 0, 4, 3, 2, 4):
            view, reward, terminated, *_ = env.step(action)
            step = worlds.step(torch.tensor([action]))
            np.testing.assert_array_equal(step.image[0].numpy(), view["image"])
            assert (step.reward.item(), step.terminated.item()) == (reward, terminated)
            if action == 4 and terminated:
                break


def test_t10_a_grey_object_may_be_a_wall():
    env = Room(GoToInstr(ObjDesc(None, "grey")), {})
    env.reset(seed=0)
    bank = LevelBank.from_minigrid([env])
    walls = sum(thing is not None and thing.type == "wall" for thing in env.grid.grid)
    assert int((bank.cells >> WANTED_SHIFT & 1).sum()) == walls
    assert run(GoToInstr(ObjDesc(None, "grey")), {}, "L") == [(True, True)]


def test_t11_the_own_cell_in_a_doorway_shows_nothing():
    run(GoToInstr(BALL), {(7, 4): Ball("red")}, "FFFFLRFLR", [(1, Door("red", is_open=True))])


@pytest.mark.parametrize("instr", ["one", "and", "before"])
def test_t12_done_actions(monkeypatch, instr):
    monkeypatch.setattr(verifier, "use_done_actions", "1")
    things = {(2, 1): Ball("red"), (1, 2): Box("blue")}
    one = {
        "one": GoToInstr(BOX),
        "and": AndInstr(GoToInstr(BOX), GoToInstr(BALL)),
        "before": BeforeInstr(GoToInstr(BOX), GoToInstr(BALL)),
    }[instr]
    verdict = {"one": (True, True), "and": (False, False), "before": (False, True)}[instr]
    assert run(one, things, "N") == [(False, instr != "and")]
    assert run(one, things, "RN") == [(False, False), verdict]
    run(one, things, "LN")
    if instr == "and":
        assert run(one, things, "RNLN") == done_at("RNLN")
