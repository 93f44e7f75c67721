"""Thousands of BabyAI worlds side by side, as tensors on one device.

N worlds, C cells and one outside, F rows of a record, L levels, V cells of a view.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from minigrid.core.actions import Actions
from torch import Tensor

from envs.batched.bank import LevelBank
from envs.batched.cells import EMPTY, WALKABLE
from envs.batched.checks import check_number, check_state
from envs.batched.draw import Shares, draw_levels
from envs.batched.dynamics import swaps, toggled
from envs.batched.geometry import geometry
from envs.batched.join import aligned, stacked
from envs.batched.record import Row
from envs.batched.verifier import Moment, verify, wanted
from envs.batched.view import FRONT, Eye, as_image, glance
from envs.batched.visits import Visits
from envs.errors import EnvError

CHUNK = 1 << 14  # levels whose first view is computed together


class Observation(NamedTuple):
    """What the agents see.

    Attributes:
        image: uint8 (N, 7, 7, 3), [x, y, (kind, colour, state)] as minigrid's; not contiguous.
        direction: int64 (N,), 0 right, 1 down, 2 left, 3 up.
        sentence: int64 (N,), index into the bank's sentences.
    """

    image: Tensor
    direction: Tensor
    sentence: Tensor


class Step(NamedTuple):
    """What one action each led to.

    Attributes:
        image, direction, sentence: as of `Observation`; of a world that started over, the first.
        reward: float64 (N,).
        terminated, truncated: bool (N,); both may be true.
        final_image, final_direction, final_sentence: before worlds started over.
        length: int64 (N,), steps of the episode, the ended one where one ended.
    """

    image: Tensor
    direction: Tensor
    sentence: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_image: Tensor
    final_direction: Tensor
    final_sentence: Tensor
    length: Tensor


class BatchedBabyAI:
    """Worlds that act as minigrid's do, bit for bit.

    On an accelerator a step never waits: it reads no number back, and no shape depends on one.

    Args:
        bank: the levels.
        num_envs: N worlds.
        device: where they live.
        autoreset: a world that ends starts over, in the same step, on a level drawn from the bank;
            otherwise world i is level i, and stays as it ended.
        seed: of the draw; world i's n-th level depends on seed, i and n alone (and on `shares`).
        shares: of each of the bank's tasks, in the episodes that begin; without them levels are
            drawn uniformly.

    Raises:
        EnvError: for no worlds or no levels, or more worlds than levels without `autoreset`; for
            shares that are none, or of a task without levels.
    """

    def __init__(
        self,
        bank: LevelBank,
        num_envs: int,
        device: str | torch.device = "cpu",
        autoreset: bool = True,
        seed: int = 0,
        shares: Sequence[float] = (),
    ):
        check_number(num_envs, len(bank), autoreset)
        self.device = torch.device(device)
        self.num_envs, self.autoreset, self.seed = num_envs, autoreset, seed
        self.shares = tuple(shares)
        self._tables = geometry(bank.width, bank.height).to(self.device)
        self._eye = Eye(self.device)
        self._worlds = torch.arange(num_envs, device=self.device)
        self._ghosts: Tensor | None = None
        self._take(bank.to(self.device))
        self._begin()

    def observe(self) -> Observation:
        """What the agents see now."""
        glanced_NV = glance(self._cells, self._record[Row.POSE], self._tables)
        return self._seen(self._eye.see(glanced_NV, self._record[Row.HAND]))

    def drawn(self) -> Tensor:
        """What minigrid draws now, uint8 (N, 7, 7, 3): `observe().image` with one exception.

        Of a level that starts with something in hand, minigrid's first view still shows it in the
        grid; the picture of that view is drawn later, and shows it in the hand.
        """
        if not self._holding:
            return self.observe().image
        held_N1, cell_N, take_N = self._held_at_first()
        cells_NC = self._cells.scatter(1, held_N1, torch.where(take_N, EMPTY, cell_N)[:, None])
        hand_N = torch.where(take_N, cell_N, self._record[Row.HAND])
        glanced_NV = glance(cells_NC, self._record[Row.POSE], self._tables)
        return as_image(self._eye.see(glanced_NV, hand_N))

    def step(self, actions: Tensor) -> Step:
        """Takes one action (N,) int64 a world.

        Raises:
            EnvError: for another shape, dtype or device, and on the CPU for an action not in 0..6;
                elsewhere such an action stops the device with an assertion, since to look would be
                to wait.
        """
        action_N = self._checked(actions)
        record = self._record
        live_N = record[Row.ENDED] == 0
        if not self.autoreset:
            action_N = torch.where(live_N, action_N, Actions.done.value)
        if self._holding:
            self._take_in_hand()
        record[Row.STEPS] += live_N
        glanced_NV, now = self._act(action_N)
        success_N, failure_N = verify(record, now, self._rules)
        view_NV = self._eye.see(glanced_NV, now.hand)
        steps_N, limit_N = record[Row.STEPS], record[Row.MAX_STEPS]
        success_N = success_N & live_N
        terminated_N = success_N | failure_N & live_N | (record[Row.ENDED] & 1 != 0)
        truncated_N = steps_N >= limit_N
        if not self.autoreset:  # what ended keeps its flags: no step was counted since
            truncated_N = torch.where(live_N, truncated_N, record[Row.ENDED] & 2 != 0)
            record[Row.ENDED] = terminated_N + 2 * truncated_N.to(torch.int32)
        reward_N = (1 - 0.9 * (steps_N.double() / limit_N)) * success_N
        if self.shares:
            self.visits.end(record[Row.TASK], terminated_N | truncated_N, success_N)
        seen = self._seen(view_NV)
        length_N = steps_N.long()
        after = self._start_over(terminated_N | truncated_N, view_NV) if self.autoreset else seen
        return Step(*after, reward_N, terminated_N, truncated_N, *seen, length_N)

    def let_in(self, levels: LevelBank) -> None:
        """New levels join the bank, last; as many of its first ones leave it.

        Episodes under way end as they would have; those that begin from now on are on levels of the
        new bank. Its list of sentences is new, and with it what `sentence` says of every world.

        Raises:
            EnvError: the worlds never start over, or the levels' grids differ in size from theirs.
        """
        if not self.autoreset:
            raise EnvError("worlds without autoreset begin no episodes; new levels are of no use")
        coming = levels.part(slice(-len(self.bank), None)).to(self.device)
        staying = self.bank.part(slice(len(coming), None))
        now = self._levels(self._cells, self._record, self._contents)
        staying, coming, now = aligned([staying, coming, now])
        self._take(stacked([staying, coming]), now)
        self.visits.let_in(len(coming))

    def set_shares(self, shares: Sequence[float]) -> None:
        """Episodes that begin from now on are drawn by these; those under way end as they would."""
        self._by_share = Shares(self.bank.record[Row.TASK].long(), shares)
        self.shares = tuple(shares)

    def state(self) -> dict[str, Any]:
        """Copies of all that `set_state` needs to go on exactly, with the same bank and seed."""
        copies = {name: tensor.clone() for name, tensor in self._tensors().items()}
        visits = self.visits
        counts = {"visits": visits.of_level, "left": visits.of_left, "ended": visits.of_task}
        copies |= {name: tensor.clone() for name, tensor in counts.items()}
        return copies | {"sentences": list(self.bank.sentences), "shares": list(self.shares)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned.

        Raises:
            EnvError: if it was not taken from as many worlds of a bank of these levels.
        """
        check_state(state, self.state())
        told = [name for name in state if name not in ("sentences", "shares")]
        mine = {name: state[name].to(self.device, copy=True) for name in told}
        now = self._levels(mine["cells"], mine["record"], mine.get("contents"))
        now = replace(now, sentences=state["sentences"])
        bank, now = aligned([self.bank, now], state["sentences"])
        self._ghosts, self._episode = mine.get("ghosts"), mine["episode"]
        self.visits.of_level, self.visits.of_left = mine["visits"], mine["left"]
        self.visits.of_task, self.shares = mine["ended"], tuple(state["shares"])
        self._take(bank, now)

    @property
    def bytes_per_world(self) -> float:
        """Bytes of state, without the bank and what a step needs for a moment."""
        return sum(tensor.nbytes for tensor in self._tensors().values()) / self.num_envs

    def _tensors(self) -> dict[str, Tensor]:
        """What each world's state is."""
        tensors = {"cells": self._cells, "record": self._record, "episode": self._episode}
        optional = {"ghosts": self._ghosts, "contents": self._contents}
        return tensors | {name: tensor for name, tensor in optional.items() if tensor is not None}

    def _begin(self) -> None:
        """Puts every world at the beginning of its first level."""
        self._episode = torch.zeros_like(self._worlds)
        level_N = self._draw(self._worlds) if self.autoreset else self._worlds
        self._put(self.bank.part(level_N))
        self.visits = Visits(len(self.bank), self.device, len(self.shares))
        self.visits.add(level_N)

    def _take(self, bank: LevelBank, under_way: LevelBank | None = None) -> None:
        """Episodes begin on this bank; worlds are in the midst of others, which are aligned."""
        self.bank = bank
        if self.shares:
            self.set_shares(self.shares)
        everything = bank if under_way is None else stacked([bank, under_way])
        self._rules, self._doors = everything.rules, everything.has_doors
        self._holding = everything.starts_holding
        self._first_LV = self._first_views() if self.autoreset else None
        if under_way is not None:
            self._put(under_way)

    def _put(self, worlds: LevelBank) -> None:
        """World i is in the state of level i."""
        self._cells, self._record = worlds.cells, worlds.record
        self._contents = worlds.contents if worlds.contents.shape[1] > 1 else None
        # Descriptions whose object was on a cell when objects were last looked up, and is no more.
        if self._ghosts is None and Row.GOTO in self._rules.verbs:
            self._ghosts = torch.zeros_like(self._cells, dtype=torch.uint8)

    def _levels(self, cells: Tensor, record: Tensor, contents: Tensor | None) -> LevelBank:
        """Worlds in the midst of episodes, as levels."""
        if contents is None:
            contents = torch.full_like(cells[:, :1], EMPTY)
        solvable = torch.ones_like(record[0], dtype=torch.bool)  # which is not known, nor asked
        return replace(self.bank, cells=cells, record=record, contents=contents, solvable=solvable)

    def _act(self, action_N: Tensor) -> tuple[Tensor, Moment]:
        """Changes the worlds; returns the cells of the views, and what the verifier looks at."""
        record, pose_N = self._record, self._record[Row.POSE]
        at_N1 = self._tables.front.index_select(0, pose_N)[:, None]
        front_N, hand_N = self._cells.gather(1, at_N1)[:, 0], record[Row.HAND].clone()
        toggle_N, walk_N = action_N == Actions.toggle, action_N == Actions.forward
        swap_N = swaps(action_N, front_N, hand_N)
        toggled_N = toggled(front_N, hand_N, self._contents, self._doors)
        after_N = torch.where(swap_N, hand_N, torch.where(toggle_N, toggled_N, front_N))
        self._cells.scatter_(1, at_N1, after_N[:, None])
        record[Row.HAND] = torch.where(swap_N, front_N, hand_N)

        beside_N: Tensor | int = 0
        if Row.PUTNEXT in self._rules.verbs:
            lies_N = torch.where(swap_N, at_N1[:, 0], record[Row.HELD_FROM].long())
            beside_N4 = self._cells.gather(1, self._tables.beside.index_select(0, lies_N))
            near, nearer = beside_N4[:, :2], beside_N4[:, 2:]
            pair_N2 = near | nearer
            beside_N = wanted(pair_N2[:, 0] | pair_N2[:, 1])
        if self._holding:
            record[Row.HELD_FROM].masked_fill_(swap_N, self.bank.width * self.bank.height)

        moved_N = self._tables.moves.view(-1).index_select(0, pose_N * len(Actions) + action_N)
        blocked_N = walk_N & (front_N & WALKABLE == 0)
        record[Row.POSE] = torch.where(blocked_N, pose_N, moved_N)
        lost_N = wanted(front_N) & ~wanted(after_N)
        ghost_N = self._haunt(action_N, lost_N) if self._ghosts is not None else 0
        glanced_NV = glance(self._cells, record[Row.POSE], self._tables)
        hand = record[Row.HAND]
        return glanced_NV, Moment(action_N, glanced_NV[:, FRONT], ghost_N, hand_N, hand, beside_N)

    def _haunt(self, action_N: Tensor, lost_N: Tensor) -> Tensor:
        """Notes what vanished in front, forgets all on a drop; returns the ghosts in front."""
        assert self._ghosts is not None
        # Who made something vanish has not moved: the front is still where that was.
        at_N1 = self._tables.front.index_select(0, self._record[Row.POSE])[:, None]
        keep_N = -(action_N != Actions.drop).to(torch.int32) & 0xFF
        ghost_N = (self._ghosts.gather(1, at_N1)[:, 0] | lost_N) & keep_N
        self._ghosts.scatter_(1, at_N1, ghost_N.to(torch.uint8)[:, None])
        self._ghosts.bitwise_and_(keep_N.to(torch.uint8)[:, None])
        return ghost_N

    def _take_in_hand(self) -> None:
        """On the first step of a level that starts with something in hand, it leaves its cell.

        minigrid shows the first view, and looks objects up, before it puts the object in the hand.
        """
        record = self._record
        held_N1, cell_N, take_N = self._held_at_first()
        record[Row.HAND] = torch.where(take_N, cell_N, record[Row.HAND])
        self._cells.scatter_(1, held_N1, torch.where(take_N, EMPTY, cell_N)[:, None])
        if self._ghosts is not None:
            ghost_N = self._ghosts.gather(1, held_N1)[:, 0] | wanted(cell_N) * take_N
            self._ghosts.scatter_(1, held_N1, ghost_N.to(torch.uint8)[:, None])

    def _held_at_first(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where a thing in hand came from (N, 1), what lies there, and whether it still must go."""
        held_N1 = self._record[Row.HELD_FROM].long()[:, None]
        inside_N = held_N1[:, 0] < self.bank.width * self.bank.height
        cell_N = self._cells.gather(1, held_N1)[:, 0]
        return held_N1, cell_N, inside_N & (self._record[Row.STEPS] == 0)

    def _start_over(self, ended_N: Tensor, view_NV: Tensor) -> Observation:
        """Gives the worlds that ended their next level; returns what is seen then."""
        if self.device.type != "cpu":
            return self._start_all(ended_N, view_NV)
        assert self._first_LV is not None
        rows = ended_N.nonzero()[:, 0]  # on the CPU, to ask which they are waits for nothing
        self._episode[rows] += 1
        level = self._draw(rows)
        self._cells[rows] = self.bank.cells[level]
        self._record[:, rows] = self.bank.record[:, level]
        self.visits.add(level)
        if self._ghosts is not None:
            self._ghosts[rows] = 0
        if self._contents is not None:
            self._contents[rows] = self.bank.contents[level]
        after_NV = view_NV.clone()
        after_NV[rows] = self._first_LV[level]
        return self._seen(after_NV)

    def _start_all(self, ended_N: Tensor, view_NV: Tensor) -> Observation:
        """The same without asking which worlds ended: all get a level, and most keep their own."""
        assert self._first_LV is not None
        self._episode += ended_N
        level_N, ended_N1 = self._draw(self._worlds), ended_N[:, None]
        self.visits.add(level_N, ended_N)
        cells_NC = self.bank.cells.index_select(0, level_N)
        self._cells.copy_(torch.where(ended_N1, cells_NC, self._cells))
        record_FN = self.bank.record.index_select(1, level_N)
        self._record.copy_(torch.where(ended_N, record_FN, self._record))
        if self._ghosts is not None:
            self._ghosts.masked_fill_(ended_N1, 0)
        if self._contents is not None:
            contents_NK = self.bank.contents.index_select(0, level_N)
            self._contents.copy_(torch.where(ended_N1, contents_NK, self._contents))
        first_NV = self._first_LV.index_select(0, level_N)
        return self._seen(torch.where(ended_N1, first_NV, view_NV))

    def _seen(self, view_NV: Tensor) -> Observation:
        """A view with the rest of what the agents are told."""
        pose_N, sentence_N = self._record[Row.POSE], self._record[Row.SENTENCE]
        return Observation(as_image(view_NV), pose_N.long() & 3, sentence_N.long())

    def _draw(self, worlds: Tensor) -> Tensor:
        """The levels of these worlds' present episodes."""
        if self.shares:
            return self._by_share.draw(self.seed, worlds, self._episode[worlds])
        return draw_levels(self.seed, worlds, self._episode[worlds], len(self.bank))

    def _first_views(self) -> Tensor:
        """Each level's first view, int32 (L, V)."""
        views = []
        for start in range(0, len(self.bank), CHUNK):
            cells = self.bank.cells[start : start + CHUNK]
            record = self.bank.record[:, start : start + CHUNK]
            glanced = glance(cells, record[Row.POSE], self._tables)
            views.append(self._eye.see(glanced, record[Row.HAND]))
        return torch.cat(views)

    def _checked(self, actions: Tensor) -> Tensor:
        if not isinstance(actions, Tensor):
            raise EnvError(f"actions are {type(actions).__name__}; {self._to_type()}")
        given = (actions.dtype, tuple(actions.shape), actions.device.type)
        expected = (torch.int64, (self.num_envs,), self.device.type)
        if given != expected:
            raise EnvError(
                f"actions are {given[0]} {given[1]} on {given[2]}; expected {expected[0]} "
                f"{expected[1]} on {expected[2]}: {self._to_type()}"
            )
        allowed = ((actions >= 0) & (actions < len(Actions))).all()
        if self.device.type == "cpu":
            if not allowed:
                raise EnvError(
                    f"actions are from {int(actions.min())} to {int(actions.max())}; expected 0 "
                    f"({Actions(0).name}) to {len(Actions) - 1} ({Actions(len(Actions) - 1).name})"
                    f"; type torch.randint({len(Actions)}, ({self.num_envs},)) for random ones"
                )
        else:
            torch._assert_async(allowed, "an action is not in 0..6")
        return actions

    def _to_type(self) -> str:
        return (
            f'type torch.as_tensor(actions, dtype=torch.int64, device="{self.device}"), one action '
            f"for each of the {self.num_envs} worlds"
        )
