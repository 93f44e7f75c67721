"""From an instruction to the minigrid objects that watch whether it has been done."""

from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core.verifier import (
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
from minigrid.minigrid_env import MiniGridEnv

from envs.grammar import MOVABLE, And, Before, Descr, GoTo, Instruction, Open, Pickup, PutNext


class _MovableDesc(ObjDesc):
    """The description of an "object": a box, a ball or a key.

    minigrid's own leaves the kind open, so that grey walls are grey objects too.
    """

    obj_set: list[WorldObj]
    obj_poss: list[tuple[int, int]]

    def find_matching_objs(
        self, env: MiniGridEnv, use_location: bool = True
    ) -> tuple[list[WorldObj], list[tuple[int, int]]]:
        super().find_matching_objs(env, use_location)
        if use_location:  # the first look of an episode; later ones only follow these objects
            found = list(zip(self.obj_set, self.obj_poss, strict=True))
            found = [(obj, pos) for obj, pos in found if obj.type in MOVABLE]
            self.obj_set = [obj for obj, _ in found]
            self.obj_poss = [pos for _, pos in found]
        return self.obj_set, self.obj_poss


def to_minigrid(tree: Instruction) -> Instr:
    """Returns minigrid's verifier of the instruction, not yet bound to a world."""
    match tree:
        case GoTo(target):
            return GoToInstr(_desc(target))
        case Pickup(target):
            return PickupInstr(_desc(target))
        case Open(target):
            return OpenInstr(_desc(target))
        case PutNext(target, fixed):
            return PutNextInstr(_desc(target), _desc(fixed))
    joint = {And: AndInstr, Before: BeforeInstr}.get(type(tree), AfterInstr)
    return joint(to_minigrid(tree.first), to_minigrid(tree.second))


def _desc(descr: Descr) -> ObjDesc:
    if descr.kind == "object":
        return _MovableDesc(None, descr.color, descr.location)
    return ObjDesc(descr.kind, descr.color, descr.location)
