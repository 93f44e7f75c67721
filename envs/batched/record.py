"""The few numbers of a world beside its cells: rows of one int32 tensor, a column a world.

Clauses are bits: 0 and 1 are the clauses to be done first, 2 and 3 those after them ("X after you
Y" has Y first), so that one integer holds a fact about each of a sentence's up to four clauses.
"""

from enum import IntEnum


class Row(IntEnum):
    """What a row holds; masks are of clauses."""

    # A level's, never changed by a step.
    MAX_STEPS = 0
    SENTENCE = 1  # index into the bank's sentences
    GOTO = 2  # mask, as the next three: clauses of this verb
    OPEN = 3
    PICKUP = 4
    PUTNEXT = 5
    STRICT_OPEN = 6  # mask: opening another door fails, see `verifier`
    STRICT_HAND = 7  # mask: picking up something else fails
    ALONE = 8  # mask: clauses not joined by "and", whose failure counts
    FIRST = 9  # mask: clauses of the first half, which may be the whole
    SECOND = 10  # mask: clauses of the second half, 0 if there is none
    IN_ORDER = 11  # 1 if doing the second half before the first fails
    TASK = 12  # which of the tasks that its bank was generated of

    # A world's, with a level's beginnings.
    POSE = 13
    HAND = 14  # the cell that is carried, or EMPTY
    STEPS = 15
    HELD_FROM = 16  # where minigrid believes the thing in hand to lie; the cell outside if nowhere
    DONE = 17  # mask: clauses that have succeeded
    BEGUN = 18  # mask: clauses that have been verified, and so know what was carried
    MATCHED = 19  # mask: clauses that would have succeeded on the last step (done actions)
    ENDED = 20  # bit 0 terminated, bit 1 truncated; stays 0 where worlds start over


VERBS = (Row.GOTO, Row.OPEN, Row.PICKUP, Row.PUTNEXT)
