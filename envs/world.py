"""Drawing a world in which a given instruction makes sense.

Every description of the instruction says how many things fit it when the episode starts: "the" one,
"a" at least two. Things are added for the most specific description first, so that "go to the ball
and pick up the red ball" needs one ball; what a description leaves open is drawn at random, among
what breaks no count.
"""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

from minigrid.core.constants import DIR_TO_VEC
from minigrid.core.roomgrid import Room, RoomGrid
from minigrid.core.world_object import Ball, Box, Key
from minigrid.envs.babyai.core.roomgrid_level import RejectSampling, RoomGridLevel
from minigrid.envs.babyai.core.verifier import Instr

from envs.grammar import COLORS, MOVABLE, Descr, Instruction, descriptions
from envs.solvable import solvable
from envs.verifier import to_minigrid

Cell = tuple[int, int]  # x, y
Look = tuple[str, str]  # kind, colour

CLASSES = {"ball": Ball, "box": Box, "key": Key}
DOORS: tuple[Look, ...] = tuple(product(["door"], COLORS))
OBJECTS: tuple[Look, ...] = tuple(product(MOVABLE, COLORS))
ANY_DOOR = Descr("a", None, "door")
ANY_OBJECT = Descr("a", None, "object")
NOWHERE: frozenset[str] = frozenset()


class Wall(NamedTuple):
    """A wall that two rooms share, and so a place for a door."""

    room: tuple[int, int]  # column, row
    side: int  # 0 right, 1 down
    neighbor: tuple[int, int]
    door: Cell


class World(RoomGridLevel):
    """A grid of rooms with objects, drawn for an instruction; one attempt at a time."""

    instrs: Instr

    def __init__(self, room_size: int, distractors: int, render_mode: str | None = None):
        self.distractors = distractors
        super().__init__(room_size=room_size, num_rows=1, num_cols=1, render_mode=render_mode)

    def attempt(self, tree: Instruction, rows: int, cols: int) -> bool:
        """Draws a world of rows x cols rooms; returns whether the instruction makes sense in it.

        It does if minigrid writes the same sentence, accepts what is to be put next to what, and if
        there is a plan to carry it out.
        """
        self.num_rows, self.num_cols = rows, cols
        self.width = cols * (self.room_size - 1) + 1
        self.height = rows * (self.room_size - 1) + 1
        RoomGrid._gen_grid(self, self.width, self.height)
        free = self._place_agent()
        doors, objects = _wanted(tree)
        census = _Census(doors + objects, self)
        if not (self._add_doors(doors, census) and self._add_objects(objects, census, free)):
            return False
        self.instrs = to_minigrid(tree)
        self.surface = self.mission = self.instrs.surface(self)
        try:
            self.validate_instrs(self.instrs)
        except RejectSampling:
            return False
        return self.mission == str(tree) and solvable(self)

    def _place_agent(self) -> list[Cell]:
        """Returns the cells left for objects in random order, without the one the agent faces."""
        cells = _interior(self.room_size, self.num_rows, self.num_cols)
        shuffled = [cells[index] for index in self.np_random.permutation(len(cells)).tolist()]
        self.agent_pos = shuffled.pop()
        self.agent_dir = self._draw(4)
        front = tuple(self.front_pos)
        return [cell for cell in shuffled if cell != front]

    def _add_doors(self, wanted: tuple[Descr, ...], census: "_Census") -> bool:
        """Adds the doors of the descriptions, and more until all rooms are joined."""
        walls = self._walls()
        part = {room: room for wall in walls for room in (wall.room, wall.neighbor)}

        def add(descr: Descr) -> bool:
            # Doors first go where they join rooms, so that few are needed beyond the described.
            for wall in sorted(walls, key=lambda wall: part[wall.room] == part[wall.neighbor]):
                looks = census.choices(descr, wall.door)
                if looks:
                    color = looks[self._draw(len(looks))][1]
                    self.add_door(*wall.room, wall.side, color, locked=False)
                    census.add(("door", color), wall.door)
                    walls.remove(wall)
                    old, new = part[wall.room], part[wall.neighbor]
                    part.update({room: new for room, at in part.items() if at == old})
                    return True
            return False

        for descr in wanted:
            while census.lacks(descr):
                if not add(descr):
                    return False
        while len(set(part.values())) > 1:
            if not add(ANY_DOOR):
                return False
        return True

    def _walls(self) -> list[Wall]:
        """Lists the walls that can take a door in random order, without what the agent faces."""
        walls = []
        for j, i, side in product(range(self.num_rows), range(self.num_cols), (0, 1)):
            door = self.get_room(i, j).door_pos[side]
            if door is not None and door != tuple(self.front_pos):
                walls.append(Wall((i, j), side, (i + (side == 0), j + (side == 1)), door))
        return [walls[index] for index in self.np_random.permutation(len(walls)).tolist()]

    def _add_objects(self, wanted: tuple[Descr, ...], census: "_Census", free: list[Cell]) -> bool:
        """Adds the objects of the descriptions, then the distractors, on the next fitting cells."""

        def add(descr: Descr) -> bool:
            for index, cell in enumerate(free):
                looks = census.choices(descr, cell)
                if looks:
                    kind, color = looks[self._draw(len(looks))]
                    self.put_obj(CLASSES[kind](color), *cell)
                    census.add((kind, color), cell)
                    del free[index]
                    return True
            return False

        for descr in wanted:
            while census.lacks(descr):
                if not add(descr):
                    return False
        return all(add(ANY_OBJECT) for _ in range(self.distractors))

    def _draw(self, options: int) -> int:
        return int(self.np_random.integers(options))


class _Census:
    """How many of the things placed so far fit each description."""

    def __init__(self, described: tuple[Descr, ...], world: World):
        self.counts = dict.fromkeys(described, 0)
        self.full: list[Descr] = []  # "the" descriptions that have their one thing
        self.located = any(descr.location for descr in described)
        self.room: Room = world.room_from_pos(*world.agent_pos)
        self.agent, self.facing = world.agent_pos, DIR_TO_VEC[world.agent_dir]
        self.known: dict[tuple[Descr, frozenset[str]], list[Look]] = {}

    def lacks(self, descr: Descr) -> bool:
        """Whether a thing must still be added for the description."""
        return self.counts[descr] < (1 if descr.article == "the" else 2)

    def choices(self, descr: Descr, cell: Cell) -> list[Look]:
        """Lists what fits the description on the cell and leaves every "the" true."""
        where = self.where(cell)
        if (descr, where) not in self.known:
            self.known[descr, where] = [
                look
                for look in (DOORS if descr.kind == "door" else OBJECTS)
                if _fits(look, where, descr)
                and not any(_fits(look, where, single) for single in self.full)
            ]
        return self.known[descr, where]

    def add(self, look: Look, cell: Cell) -> None:
        """Counts a thing that has been placed."""
        where = self.where(cell)
        for descr in self.counts:
            if _fits(look, where, descr):
                self.counts[descr] += 1
                if descr.article == "the":
                    self.full.append(descr)
                    self.known.clear()

    def where(self, cell: Cell) -> frozenset[str]:
        """Returns the locations that hold for the cell, as minigrid's verifier says."""
        if not self.located or not self.room.pos_inside(*cell):
            return NOWHERE
        x, y = cell[0] - self.agent[0], cell[1] - self.agent[1]
        dx, dy = self.facing
        ahead, to_right = x * dx + y * dy, y * dx - x * dy
        signs = {"front": ahead, "behind": -ahead, "right": to_right, "left": -to_right}
        return frozenset(location for location, sign in signs.items() if sign > 0)


def _fits(look: Look, where: frozenset[str], descr: Descr) -> bool:
    kind, color = look
    return (
        (descr.kind == kind or (descr.kind == "object" and kind != "door"))
        and descr.color in (None, color)
        and (descr.location is None or descr.location in where)
    )


@lru_cache(maxsize=1024)
def _wanted(tree: Instruction) -> tuple[tuple[Descr, ...], tuple[Descr, ...]]:
    """Returns the descriptions of doors and of objects, each once, the most specific first."""

    def openness(descr: Descr) -> int:
        return (descr.location is None) + (descr.color is None) + (descr.kind == "object")

    described = sorted(dict.fromkeys(descriptions(tree)), key=openness)
    doors = tuple(descr for descr in described if descr.kind == "door")
    return doors, tuple(descr for descr in described if descr.kind != "door")


@lru_cache(maxsize=64)
def _interior(room_size: int, rows: int, cols: int) -> tuple[Cell, ...]:
    """Returns the cells inside rooms: those on no wall."""
    step = room_size - 1
    columns = [x for x in range(cols * step) if x % step]
    lines = [y for y in range(rows * step) if y % step]
    return tuple(product(columns, lines))
