"""From a reset minigrid environment to one level's cells and numbers."""

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from minigrid.envs.babyai.core.verifier import (
    ActionInstr,
    AfterInstr,
    AndInstr,
    BeforeInstr,
    GoToInstr,
    Instr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
)

from envs.batched.cells import EMPTY, MAX_CONTENTS, encode
from envs.batched.geometry import VIEW
from envs.batched.reach import reachable
from envs.batched.record import Row
from envs.errors import EnvError

MAX_SIDE = 64  # cells; minigrid's largest levels have 22
VERBS = {
    GoToInstr: Row.GOTO,
    OpenInstr: Row.OPEN,
    PickupInstr: Row.PICKUP,
    PutNextInstr: Row.PUTNEXT,
}


class Level(NamedTuple):
    """One level, before it is padded to the size of its bank.

    Attributes:
        cells: int32 (height, width).
        agent: x, y and direction.
        held_from: x and y of what is in hand from the first step on, or None.
        contents: what boxes hold, as cells; a box counts them from 1.
        masks: the verifier's numbers, see `envs.batched.record`.
        max_steps: steps after which the episode is cut.
        mission: the sentence.
        solvable: False if something that the sentence needs is known to be out of reach.
    """

    cells: np.ndarray
    agent: tuple[int, int, int]
    held_from: tuple[int, int] | None
    contents: tuple[int, ...]
    masks: dict[Row, int]
    max_steps: int
    mission: str
    solvable: bool


def pack(env: gym.Env) -> Level:
    """Returns the level that a BabyAI environment shows right after its reset.

    Raises:
        EnvError: if `check_kind` refuses it, it has not just been reset, or it holds what no BabyAI
            level holds.
    """
    check_kind(env)
    world = env.unwrapped
    _check_fresh(world)
    clauses, masks = _clauses(world.instrs)
    wanted: dict[int, int] = {}
    for bit, clause in clauses.items():
        for descr, shift in _descriptions(clause):
            for thing in descr.obj_set:
                wanted[id(thing)] = wanted.get(id(thing), 0) | 1 << bit + shift
    things, held_from = _things(world)
    _check_looked_up(things, clauses, wanted)
    contents: list[int] = []
    cells = np.full((world.grid.height, world.grid.width), EMPTY, np.int32)
    for (x, y), thing in things.items():
        cells[y, x] = encode(thing, _store(thing, contents), wanted.get(id(thing), 0))
    x, y = (int(at) for at in world.agent_pos)
    return Level(
        cells=cells,
        agent=(x, y, int(world.agent_dir)),
        held_from=held_from,
        contents=tuple(contents),
        masks=masks,
        max_steps=int(world.max_steps),
        mission=world.mission,
        solvable=reachable(world, things, list(clauses.values())),
    )


def check_kind(env: gym.Env) -> None:
    """Raises EnvError if it is no BabyAI environment, too large, or sees another view than ours."""
    world = getattr(env, "unwrapped", env)
    if not isinstance(world, RoomGridLevel):
        given = repr(world) if isinstance(world, str) else type(world).__name__
        raise EnvError(
            f"{given} is not a BabyAI environment; type envs.make_env with a level such as "
            "BabyAI-GoToLocal-v0 or a sentence"
        )
    if max(world.width, world.height) > MAX_SIDE:
        raise EnvError(
            f"a grid is {world.width} x {world.height}; a bank takes up to {MAX_SIDE} x {MAX_SIDE}:"
            " type a smaller room_size, or fewer rooms"
        )
    if world.agent_view_size != VIEW or world.see_through_walls:
        raise EnvError(
            f"{type(world).__name__} has a view of {world.agent_view_size} cells, walls "
            f"{'transparent' if world.see_through_walls else 'opaque'}; batched worlds have one of "
            f"{VIEW}, opaque: make it without agent_view_size and see_through_walls"
        )


def _check_fresh(world: Any) -> None:
    if world.agent_pos is None or world.agent_dir is None:
        raise EnvError(f"{type(world).__name__} has not been reset; call env.reset(seed=...) first")
    if world.step_count:
        raise EnvError(
            f"{type(world).__name__} has taken {world.step_count} steps; a level is what an "
            "environment shows right after env.reset(), call it again"
        )


def _clauses(instr: Instr) -> tuple[dict[int, ActionInstr], dict[Row, int]]:
    """The clauses by their bits, and the verifier's numbers."""
    masks = dict.fromkeys(Row, 0)
    halves = [instr]
    if isinstance(instr, BeforeInstr | AfterInstr):
        halves = [instr.instr_a, instr.instr_b]
        if isinstance(instr, AfterInstr):
            halves.reverse()
        masks[Row.IN_ORDER] = int(bool(instr.strict))
    clauses: dict[int, ActionInstr] = {}
    for half, name in zip(halves, (Row.FIRST, Row.SECOND), strict=False):
        start = 0 if name is Row.FIRST else 2
        joined = isinstance(half, AndInstr)
        parts = [half.instr_a, half.instr_b] if joined else [half]
        for bit, clause in enumerate(parts, start):
            clauses[bit] = clause
            masks[name] |= 1 << bit
            masks[_verb(clause)] |= 1 << bit
            if not joined:
                masks[Row.ALONE] |= 1 << bit
                strict = Row.STRICT_OPEN if isinstance(clause, OpenInstr) else Row.STRICT_HAND
                masks[strict] |= int(bool(getattr(clause, "strict", False))) << bit
    return clauses, masks


def _verb(clause: Instr) -> Row:
    for kind, row in VERBS.items():
        if isinstance(clause, kind):
            return row
    raise EnvError(f"{type(clause).__name__} is not a clause that batched worlds know")


def _descriptions(clause: ActionInstr) -> list[tuple[ObjDesc, int]]:
    """A clause's descriptions, with the shift of their bits."""
    if isinstance(clause, PutNextInstr):
        return [(clause.desc_move, 0), (clause.desc_fixed, 4)]
    return [(clause.desc, 0)]


def _things(
    world: RoomGridLevel,
) -> tuple[dict[tuple[int, int], WorldObj], tuple[int, int] | None]:
    """What lies where in the first view; and where what is in hand has been taken from."""
    width = world.grid.width
    things = {
        (index % width, index // width): thing
        for index, thing in enumerate(world.grid.grid)
        if thing is not None
    }
    thing = world.carrying
    if thing is None:
        return things, None
    # minigrid's "Carrying" levels: reset() returns the view from before the object is in hand.
    place = None if thing.cur_pos is None else (int(thing.cur_pos[0]), int(thing.cur_pos[1]))
    if place is None or place in things:
        raise EnvError(f"the agent starts with a {thing.type} that was not taken from the grid")
    return things | {place: thing}, place


def _check_looked_up(
    things: dict[tuple[int, int], WorldObj],
    clauses: dict[int, ActionInstr],
    wanted: dict[int, int],
) -> None:
    """Raises EnvError if the verifier does not believe things to be where they are."""
    believed: dict[tuple[int, int], int] = {}
    for bit, clause in clauses.items():
        for descr, shift in _descriptions(clause):
            for x, y in descr.obj_poss:
                believed[x, y] = believed.get((x, y), 0) | 1 << bit + shift
    true = {place: wanted[id(thing)] for place, thing in things.items() if id(thing) in wanted}
    if believed != true:
        raise EnvError("the environment's verifier is not as reset() left it; reset it again")


def _store(thing: WorldObj, contents: list[int]) -> int:
    """Adds what a box holds to the contents; returns its place there, 0 if it holds nothing."""
    held = thing.contains
    if held is None:
        return 0
    inner = _store(held, contents)
    if len(contents) == MAX_CONTENTS:
        raise EnvError(f"boxes hold more than {MAX_CONTENTS} things in one level")
    contents.append(encode(held, inner, 0))
    return len(contents)
