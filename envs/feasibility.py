"""Which worlds are large enough for a sentence, found by drawing some before training starts."""

import re
from functools import lru_cache

from gymnasium.utils import seeding

from envs.errors import EnvError, one_of
from envs.grammar import COLORS, MOVABLE, descriptions, parse_instruction
from envs.world import World

ROOM_SIZES = range(4, 21)  # walls included
ROOMY = 12  # a sentence without a world in such rooms, and without distractors, has none
WORLD_SIZES = ((1, 2), (1, 3), (2, 2), (2, 3), (3, 3))  # rows, columns of rooms: 1 to 12 doors

# A size is taken if 3 worlds come out of 200 attempts: then about one attempt in a hundred or more
# succeeds, and an episode, which makes 10,000, does not run out of them.
TRIAL_ATTEMPTS = 200
TRIAL_WORLDS = 3


def check_settings(room_size: int, distractors: int) -> None:
    """Raises EnvError if no world can have such rooms or so many distractors."""
    if room_size not in ROOM_SIZES:
        raise EnvError(
            f"room_size is {room_size}: it must be from {ROOM_SIZES[0]} to {ROOM_SIZES[-1]}, "
            "walls included; type --room-size 8"
        )
    if distractors < 0:
        raise EnvError(f"distractors is {distractors}: it cannot be negative; type --distractors 0")


def smallest_world(sentence: str, room_size: int, distractors: int) -> tuple[int, int]:
    """Returns the rows and columns of rooms of the smallest world for a sentence of `expand`.

    Raises:
        EnvError: if there is none.
    """
    size = _smallest(_shape(sentence), room_size, distractors)
    if size is None:
        raise EnvError(_reason(sentence, room_size, distractors))
    return size


def _shape(sentence: str) -> str:
    """Renames colours and kinds in the order of their first use.

    The worlds of a sentence and of its shape differ in these names only, so what is true of one is
    true of the other, and the thousand sentences of one with slots need few trials.
    """
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        word = match.group()
        for group in (COLORS, MOVABLE):
            if word in group and word not in names:
                names[word] = group[sum(name in group for name in names)]
        return names.get(word, word)

    return re.sub(r"\w+", rename, sentence)


@lru_cache(maxsize=4096)
def _smallest(shape: str, room_size: int, distractors: int) -> tuple[int, int] | None:
    tree = parse_instruction(shape)
    doors = any(descr.kind == "door" for descr in descriptions(tree))
    world = World(room_size, distractors)
    for size in WORLD_SIZES if doors else [(1, 1)]:
        if distractors >= (room_size - 2) ** 2 * size[0] * size[1]:
            continue
        world.np_random, _ = seeding.np_random(0)
        worlds = 0
        for _ in range(TRIAL_ATTEMPTS):
            worlds += world.attempt(tree, *size)
            if worlds == TRIAL_WORLDS:
                return size
    return None


def _reason(sentence: str, room_size: int, distractors: int) -> str:
    """Says why there is no world, and which settings have one."""
    shape = _shape(sentence)
    if _smallest(shape, ROOMY, 0) is None:
        return f"no world was found in which '{sentence}' makes sense and can be done"
    wider = (size for size in ROOM_SIZES if size > room_size)
    wide = next((size for size in wider if _smallest(shape, size, distractors)), None)
    few = _most_distractors(shape, room_size, distractors)
    options = {"--room-size": wide, "--distractors": few}
    advice = [f"{option} {value}" for option, value in options.items() if value is not None]
    advice = advice or [f"--room-size {ROOMY} --distractors 0"]
    return (
        f"no world for '{sentence}' with {distractors} distractors in rooms of size {room_size}: "
        f"a room has {(room_size - 2) ** 2} free cells for the agent and all objects, and no "
        f"distractor may fit a description with 'the'; type {one_of(advice)}"
    )


def _most_distractors(shape: str, room_size: int, distractors: int) -> int | None:
    """Returns the largest number below `distractors` that fits, or None; by bisection."""
    fits = None
    low, high = 0, min(distractors, 9 * room_size**2)
    while low < high:
        middle = (low + high) // 2 if fits is not None else 0
        if _smallest(shape, room_size, middle):
            fits, low = middle, middle + 1
        elif fits is None:
            return None
        else:
            high = middle
    return fits
