"""Whether a world's instruction can be carried out, shown by finding a plan.

The plan is abstract: what matters is where the agent can walk (a flood fill), where the objects lie
and what it carries, not each step and turn. No object is moved out of the way, so every plan found
can be walked, and a world that would need such a move is refused.
"""

from collections.abc import Collection, Iterable, Iterator
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

MAX_STATES = 500  # a search this long has met a cramped world: another is drawn sooner

Cell = int  # x + width * y; the outer wall keeps the four neighbours of any free cell on the grid


def solvable(env: RoomGridLevel) -> bool:
    """Returns whether every object and door can be reached and the instruction has a plan.

    `env` is at the start of an episode, without locked doors; its verifier is bound anew.
    """
    instr: Instr = env.instrs  # type: ignore[attr-defined]  # every level's _gen_grid sets it
    instr.reset_verifier(env)
    width = env.grid.width
    things = {cell: thing for cell, thing in enumerate(env.grid.grid) if thing is not None}
    start = _State(
        width=width,
        stand=int(env.agent_pos[0] + width * env.agent_pos[1]),
        blocked=frozenset(cell for cell, thing in things.items() if thing.type != "door"),
        doors=frozenset(cell for cell, thing in things.items() if thing.type == "door"),
        where={thing: cell for cell, thing in things.items() if thing.type != "wall"},
        carried=None,
    )
    if not all(start.faces(cell) for cell in start.where.values()):
        return False
    budget = iter(range(MAX_STATES))
    return any(_plan(start, order, budget) for order in _orders(instr))


@dataclass(frozen=True)
class _State:
    """The world between two clauses."""

    width: int
    stand: Cell  # where the agent is
    blocked: frozenset[Cell]  # by walls and by objects
    doors: frozenset[Cell]  # closed or open: the agent can walk through, but drop nothing there
    where: dict[WorldObj, Cell]  # of doors and of the objects on the ground
    carried: WorldObj | None

    @cached_property
    def region(self) -> dict[Cell, None]:
        """The cells the agent can walk to, nearest last searched; a set that keeps its order."""
        region, frontier = {self.stand: None}, [self.stand]
        while frontier:
            for cell in self.beside(frontier.pop()):
                if cell not in self.blocked and cell not in region:
                    region[cell] = None
                    frontier.append(cell)
        return region

    def beside(self, cell: Cell) -> tuple[Cell, Cell, Cell, Cell]:
        """The four neighbours."""
        return cell - 1, cell + 1, cell - self.width, cell + self.width

    def faces(self, cell: Cell) -> bool:
        """Whether the agent can stand beside the cell."""
        return any(beside in self.region for beside in self.beside(cell))


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
        yield from _put_next(state, clause.desc_move.obj_set, clause.desc_fixed.obj_set)
    elif isinstance(clause, PickupInstr):
        for obj in clause.desc.obj_set:
            yield from _pick_up(state, obj)
    elif isinstance(clause, GoToInstr | OpenInstr):
        targets = (state.where.get(thing) for thing in clause.desc.obj_set)
        if any(cell is not None and state.faces(cell) for cell in targets):
            yield state  # the agent can walk back


def _put_next(
    state: _State, move: Collection[WorldObj], fixed: Collection[WorldObj]
) -> Iterator[_State]:
    for obj in move:
        for holding in [state] if state.carried is obj else _pick_up(state, obj):
            for goal in fixed:
                if goal is not obj:
                    yield from _drop(holding, obj, holding.beside(holding.where[goal]))


def _pick_up(state: _State, obj: WorldObj) -> Iterator[_State]:
    carried = state.carried
    for free in [state] if carried is None else _drop(state, carried, state.region):
        cell = free.where[obj]
        if free.faces(cell):
            where = {other: at for other, at in free.where.items() if other is not obj}
            yield replace(free, blocked=free.blocked - {cell}, where=where, carried=obj)


def _drop(state: _State, obj: WorldObj, cells: Iterable[Cell]) -> Iterator[_State]:
    """Drops what is carried on one of the cells; the agent may shut itself in by it."""
    for cell in cells:
        if cell not in state.region or cell in state.doors:
            continue
        for stand in state.beside(cell):
            if stand in state.region:
                yield replace(
                    state,
                    stand=stand,
                    blocked=state.blocked | {cell},
                    where=state.where | {obj: cell},
                    carried=None,
                )
