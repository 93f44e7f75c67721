"""One cell of a world as 32 bits: what is seen there, how it behaves, and who looks for it.

    bits  0-3   kind, as minigrid's view has it      byte 0, with the flags masked away, is the
    bits  4-7   OPAQUE, WALKABLE, PICKABLE, LOCKED   view's kind, byte 1 its colour, byte 2 its
    bits  8-10  colour                               state: a masked cell is a cell of the view
    bits 16-17  state: 0 open, 1 closed, 2 locked
    bits 18-23  where the contents of a box stand in its level's table; 0 is nothing
    bits 24-31  the descriptions whose object this is: bit 24 + leaf for what a clause is about,
                bit 28 + leaf for what something is put next to

An object is told from its like by the descriptions that mean it, which is all the verifier asks.
"""

from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.world_object import Box, WorldObj

from envs.errors import EnvError

KIND, COLOR, STATE = 0xF, 0x7 << 8, 0x3 << 16
SEEN = KIND | COLOR | STATE
OPAQUE, WALKABLE, PICKABLE, LOCKED = 1 << 4, 1 << 5, 1 << 6, 1 << 7
CLOSED = 1 << 16
CONTENTS_SHIFT, MAX_CONTENTS = 18, 63
CONTENTS = MAX_CONTENTS << CONTENTS_SHIFT
WANTED_SHIFT = 24
DOOR, KEY, BOX = (OBJECT_TO_IDX[kind] for kind in ("door", "key", "box"))
EMPTY = OBJECT_TO_IDX["empty"] | WALKABLE
WALL = OBJECT_TO_IDX["wall"] | OPAQUE | COLOR_TO_IDX["grey"] << 8  # what lies outside the grid

KNOWN = ("wall", "floor", "door", "key", "ball", "box")


def encode(thing: WorldObj, contents: int, wanted: int) -> int:
    """Returns the cell of an object, as int32.

    Args:
        thing: what is there.
        contents: where a box's contents stand in the level's table.
        wanted: the descriptions whose object it is, 8 bits.

    Raises:
        EnvError: for what no BabyAI world holds.
    """
    if thing.type not in KNOWN:
        raise EnvError(f"a world holds a {thing.type}: batched worlds know {', '.join(KNOWN)}")
    kind, color, state = thing.encode()
    cell: int = kind | color << 8 | state << 16
    cell |= OPAQUE * (not thing.see_behind()) | WALKABLE * thing.can_overlap()
    cell |= PICKABLE * thing.can_pickup() | LOCKED * bool(getattr(thing, "is_locked", False))
    if isinstance(thing, Box):
        cell |= contents << CONTENTS_SHIFT
    cell |= wanted << WANTED_SHIFT
    return cell - (1 << 32) if cell >= 1 << 31 else cell
