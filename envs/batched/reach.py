"""Levels that nobody can solve: what the sentence needs lies behind a door whose key does too.

minigrid's Unlock and GoToImpUnlock draw such levels now and then.
"""

from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from minigrid.envs.babyai.core.verifier import ActionInstr, ObjDesc, OpenInstr, PutNextInstr

Place = tuple[int, int]  # x, y


def reachable(
    world: RoomGridLevel, things: dict[Place, WorldObj], clauses: list[ActionInstr]
) -> bool:
    """Whether each description has an object that the agent can get beside.

    The agent is taken to walk through all that can be opened or moved away, and to open the locked
    doors whose key it can get beside: False is a proof that the level cannot be solved, True none
    that it can.
    """
    if not any(_locked(thing) for thing in things.values()):
        return True  # all rooms of minigrid's levels are joined
    seen, shut = _seen(world, things)
    for clause in clauses:
        possible = seen - shut if isinstance(clause, OpenInstr) else seen
        if not all(possible.intersection(descr.obj_set) for descr in _descriptions(clause)):
            return False
    return True


def _descriptions(clause: ActionInstr) -> list[ObjDesc]:
    if isinstance(clause, PutNextInstr):
        return [clause.desc_move, clause.desc_fixed]
    return [clause.desc]


def _seen(
    world: RoomGridLevel, things: dict[Place, WorldObj]
) -> tuple[set[WorldObj], set[WorldObj]]:
    """What the agent can get beside, and the locked doors among it whose key it cannot."""
    x, y = (int(at) for at in world.agent_pos)
    stack, walked = [(x, y)], set()
    beside: set[WorldObj] = set()
    shut: dict[WorldObj, Place] = {}
    keys: set[str] = set()
    while stack:
        place = stack.pop()
        if place in walked:
            continue
        thing = things.get(place)
        if thing is not None:
            beside.add(thing)
            inner: WorldObj | None = thing
            while inner is not None:
                if inner.type == "key":
                    keys.add(inner.color)
                inner = inner.contains
            if thing.type == "wall":
                continue
            if _locked(thing) and thing.color not in keys:
                shut[thing] = place
                continue
        walked.add(place)
        x, y = place
        stack += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
        freed = [door for door in shut if door.color in keys]
        stack += [shut.pop(door) for door in freed]
    return beside, set(shut)


def _locked(thing: WorldObj) -> bool:
    return thing.type == "door" and thing.is_locked and not thing.is_open
