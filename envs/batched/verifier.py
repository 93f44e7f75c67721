"""Whether an instruction has been carried out: minigrid's verifier, all clauses at once.

Each clause is a bit, see `envs.batched.record`; N worlds. The rules, and their odd corners, are
those of minigrid.envs.babyai.core.verifier (3.2.0):

- where objects lie is looked up at reset and after each drop only, so that the place of what was
  picked up or destroyed counts as its own until then (`ghost`);
- what a clause believes to have been carried before is None on the first step it is verified;
- within an "and", what is done stays done, and failures count for nothing;
- of two halves, the second is verified from the very step on which the first is done.
"""

from typing import NamedTuple

import torch
from minigrid.core.actions import Actions
from torch import Tensor

from envs.batched.cells import DOOR, EMPTY, KIND, WALKABLE, WANTED_SHIFT
from envs.batched.record import Row

CLAUSES = 0xF  # all four


class Moment(NamedTuple):
    """What the verifier looks at, each (N,) int32 but for the action.

    Attributes:
        action: int64, what was done.
        front: the cell in front of the agent after it.
        ghost: descriptions whose object was in front when objects were last looked up.
        hand_before: what was carried before the action.
        hand: what is carried now.
        beside: descriptions of which an object lies next to what was dropped.
    """

    action: Tensor
    front: Tensor
    ghost: Tensor | int
    hand_before: Tensor
    hand: Tensor
    beside: Tensor | int


class Rules(NamedTuple):
    """What the sentences of a bank ask for; the rest need not be computed."""

    verbs: frozenset[Row]
    strict: bool
    simple: bool  # every sentence is one clause
    done_actions: bool  # BABYAI_DONE_ACTIONS: the agent must say that it is done


def wanted(cell_N: Tensor) -> Tensor:
    """The descriptions whose object a cell holds: bits 0-3 to act on, 4-7 to put things next to."""
    return (cell_N >> WANTED_SHIFT) & 0xFF


def verify(record_FN: Tensor, now: Moment, rules: Rules) -> tuple[Tensor, Tensor]:
    """Returns success and failure, bool (N,), and notes in the record what has been done."""
    hit_N = _hits(record_FN, now, rules)
    miss_N = _misses(record_FN, now, hit_N) if rules.strict else torch.zeros_like(hit_N)
    if rules.done_actions:
        return _verify_when_done(record_FN, now.action, hit_N)
    if rules.simple:
        record_FN[Row.BEGUN] = 1
        return hit_N != 0, miss_N != 0
    success_N, failure_N, turn_N = _tree(record_FN, hit_N, miss_N)
    record_FN[Row.BEGUN] |= turn_N
    return success_N, failure_N


def _hits(record_FN: Tensor, now: Moment, rules: Rules) -> Tensor:
    """The clauses that succeed if they are verified now."""
    hit_N = torch.zeros_like(now.hand)
    if Row.GOTO in rules.verbs:
        hit_N = (wanted(now.front) | now.ghost) & record_FN[Row.GOTO]
    if Row.OPEN in rules.verbs:
        opened_N = (now.action == Actions.toggle) & (now.front & WALKABLE != 0)
        hit_N = hit_N | wanted(now.front) * opened_N & record_FN[Row.OPEN]
    if Row.PICKUP in rules.verbs:
        unaware_N = ~record_FN[Row.BEGUN]
        unaware_N = torch.where(now.hand_before == EMPTY, CLAUSES, unaware_N)
        taken_N = wanted(now.hand) * (now.action == Actions.pickup) & unaware_N
        hit_N = hit_N | taken_N & record_FN[Row.PICKUP]
    if Row.PUTNEXT in rules.verbs:
        moved_N = wanted(now.hand_before) * (now.action == Actions.drop) & record_FN[Row.BEGUN]
        hit_N = hit_N | moved_N & (now.beside >> 4) & record_FN[Row.PUTNEXT]
    return hit_N


def _misses(record_FN: Tensor, now: Moment, hit_N: Tensor) -> Tensor:
    """The strict clauses that fail if they are verified now."""
    at_door_N = (now.action == Actions.toggle) & (now.front & KIND == DOOR)
    took_N = (now.action == Actions.pickup) & (now.hand != EMPTY)
    miss_N = record_FN[Row.STRICT_OPEN] * at_door_N | record_FN[Row.STRICT_HAND] * took_N
    return miss_N & ~hit_N


def _tree(record_FN: Tensor, hit_N: Tensor, miss_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Success and failure of the whole, and which clauses were verified."""
    first_N, second_N = record_FN[Row.FIRST], record_FN[Row.SECOND]
    done_N = record_FN[Row.DONE]
    in_order_N = record_FN[Row.IN_ORDER] != 0

    turn_N = first_N & ~done_N * (done_N & first_N != first_N)
    done_first_N = done_N | hit_N & turn_N
    over_N = done_first_N & first_N == first_N
    turn_next_N = second_N & ~done_N * (over_N | in_order_N)
    done_all_N = done_first_N | hit_N & turn_next_N
    over_next_N = done_all_N & second_N == second_N

    too_early_N = in_order_N & ~over_N & over_next_N & (second_N != 0)
    failed_N = miss_N & (turn_N | turn_next_N * over_N)
    record_FN[Row.DONE] = done_all_N
    return over_N & over_next_N, (failed_N != 0) | too_early_N, turn_N | turn_next_N


def _verify_when_done(record_FN: Tensor, action_N: Tensor, hit_N: Tensor) -> tuple[Tensor, Tensor]:
    """The same where only the action "done" ends a clause: it asks what the step before it did."""
    said_N = action_N == Actions.done
    matched_N = record_FN[Row.MATCHED]
    miss_N = ~matched_N & record_FN[Row.ALONE] * said_N
    success_N, failure_N, turn_N = _tree(record_FN, matched_N * said_N, miss_N)
    looked_N = turn_N * ~said_N  # on "done" a clause looks at nothing
    record_FN[Row.MATCHED] = matched_N & ~looked_N | hit_N & looked_N
    record_FN[Row.BEGUN] |= looked_N
    return success_N, failure_N
