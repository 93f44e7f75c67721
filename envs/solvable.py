"""Whether a world's instruction can be carried out, shown by finding a plan.

The plan is abstract: what matters is where the agent can walk, where the objects lie and what it
carries, not each step and turn. The agent moves nothing but what the instruction tells it to move,
so every plan found can be walked; a world that would need more than that is refused.

Sets of cells are the bits of an integer, bit x + width * y: walking everywhere is then a few
shifts. The outer wall keeps them from running over the grid's edge.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
from minigrid.envs.babyai.core.verifier import (
    AfterInstr,
    AndInstr,
    GoToInstr,
    Instr,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
    SeqInstr,
)

MAX_STATES = 200  # a search this long has met a cramped world: another is drawn sooner

Cells = int


def solvable(env: RoomGridLevel) -> bool:
    """Returns whether every object and door can be reached and the instruction has a plan.

    `env` is at the start of an episode and has no locked doors; its verifier is bound anew.
    """
    instr: Instr = env.instrs
    instr.reset_verifier(env)
    walls = doors = 0
    where: dict[WorldObj, Cells] = {}
    for index, thing in enumerate(env.grid.grid):
        if thing is None:
            continue
        if thing.type == "wall":
            walls |= 1 << index
            continue
        where[thing] = 1 << index
        if thing.type == "door":
            doors |= 1 << index
    x, y = env.agent_pos
    width = env.grid.width
    inside = (1 << len(env.grid.grid)) - 1 - walls
    start = _State(width, inside, doors, where, stand=1 << int(x + width * y))
    if not all(start.faces(cell) for cell in where.values()):
        return False
    budget = iter(range(MAX_STATES))
    return any(_plan(start, order, budget) for order in _orders(instr))


@dataclass(frozen=True)
class _State:
    """The world between two clauses."""

    width: int
    inside: Cells  # all but the walls
    doors: Cells  # closed or open: the agent can walk through, but drop nothing there
    where: dict[WorldObj, Cells]  # of doors and of the objects on the ground, one cell each
    stand: Cells  # the agent's cell
    carried: WorldObj | None = None

    @cached_property
    def region(self) -> Cells:
        """Where the agent can walk."""
        objects = sum(self.where.values()) & ~self.doors
        free = self.inside & ~objects
        region, seen = self.stand, 0
        while region != seen:
            seen = region
            region |= self.beside(region) & free
        return region

    def beside(self, cells: Cells) -> Cells:
        """The neighbours of the cells."""
        return cells << 1 | cells >> 1 | cells << self.width | cells >> self.width

    def faces(self, cell: Cells) -> bool:
        """Whether the agent can stand beside the cell."""
        return self.beside(cell) & self.region != 0


def _orders(instr: Instr) -> list[tuple[Instr, ...]]:
    """Lists the orders in which the clauses may be done."""
    if not isinstance(instr, SeqInstr):
        return [(instr,)]
    first, second = _orders(instr.instr_a), _orders(instr.instr_b)
    in_order = [a + b for a, b in product(first, second)]
    swapped = [b + a for a, b in product(first, second)]
    if isinstance(instr, AndInstr):
        return in_order + swapped
    return swapped if isinstance(instr, AfterInstr) else in_order


def _plan(state: _State, order: tuple[Instr, ...], budget: Iterator[int]) -> bool:
    """Depth first: returns at the first plan, or when none is left, or when the budget is spent."""
    if not order:
        return True
    for after in _ways(state, order[0]):
        if next(budget, None) is None:
            return False
        if _plan(after, order[1:], budget):
            return True
    return False


def _ways(state: _State, clause: Instr) -> Iterator[_State]:
    """Yields the states in which doing the clause can end."""
    if isinstance(clause, PutNextInstr):
        for obj in clause.desc_move.obj_set:
            yield from _put_next(state, obj, clause.desc_fixed.obj_set)
    elif isinstance(clause, PickupInstr):
        for obj in clause.desc.obj_set:
            yield from _pick_up(state, obj)
    elif isinstance(clause, GoToInstr | OpenInstr):
        targets = (state.where.get(thing) for thing in clause.desc.obj_set)
        if any(cell is not None and state.faces(cell) for cell in targets):
            yield state  # the agent can walk back


def _put_next(state: _State, obj: WorldObj, fixed: Iterable[WorldObj]) -> Iterator[_State]:
    for holding in [state] if state.carried is obj else _pick_up(state, obj):
        goals = 0
        for thing in fixed:
            if thing is not obj:
                goals |= holding.beside(holding.where[thing])
        dropped = _drop(holding, obj, goals)
        done = next(dropped, None)
        if done is not None:
            yield holding  # dropped there and taken up again, so that it stands in no one's way
            yield done
            yield from dropped


def _pick_up(state: _State, obj: WorldObj) -> Iterator[_State]:
    carried = state.carried
    for free in [state] if carried is None else _drop(state, carried, state.region):
        if free.faces(free.where[obj]):
            where = {other: cell for other, cell in free.where.items() if other is not obj}
            yield replace(free, where=where, carried=obj)


def _drop(state: _State, obj: WorldObj, goals: Cells) -> Iterator[_State]:
    """Drops what is carried on one of the cells, from each cell beside it."""
    for cell in _each(goals & state.region & ~state.doors):
        for stand in _each(state.beside(cell) & state.region):
            yield replace(state, stand=stand, where=state.where | {obj: cell}, carried=None)


def _each(cells: Cells) -> Iterator[Cells]:
    while cells:
        lowest = cells & -cells
        yield lowest
        cells ^= lowest
