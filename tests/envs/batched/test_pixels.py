"""Pictures from symbolic views are minigrid's, pixel by pixel."""

import random

import gymnasium as gym
import numpy as np
import pytest
import torch
from minigrid.core.constants import IDX_TO_OBJECT
from minigrid.core.grid import Grid
from minigrid.wrappers import RGBImgPartialObsWrapper

from envs import EnvError
from envs.batched import BatchedBabyAI, LevelBank, TileAtlas
from envs.batched.parity import Actor

LEVELS = (
    "BabyAI-BossLevel-v0",
    "BabyAI-GoToLocal-v0",
    "BabyAI-KeyCorridorS3R2-v0",
    "BabyAI-KeyInBox-v0",
    "BabyAI-OneRoomS8-v0",
    "BabyAI-Open-v0",
    "BabyAI-PickupDist-v0",
    "BabyAI-PutNextS5N2Carrying-v0",
    "BabyAI-PutNextS7N4-v0",
    "BabyAI-Unlock-v0",
    "BabyAI-UnlockPickup-v0",
)
NOISE = (0.0, 0.3, 1.0)
STEPS = 70
SIZES = (8, 16)


def test_rollouts_look_as_minigrid_draws_them():
    """Whatever bots and chance come across; below is what they must have come across."""
    levels = [gym.make(name, disable_env_checker=True) for name in LEVELS for _ in NOISE]
    wrappers = {size: [RGBImgPartialObsWrapper(env, size) for env in levels] for size in SIZES}
    first = [env.reset(seed=index)[0] for index, env in enumerate(levels)]
    worlds = BatchedBabyAI(LevelBank.from_minigrid(levels), len(levels), autoreset=False)
    atlases = {size: TileAtlas(size) for size in SIZES}
    draws = random.Random(0)
    actors = [Actor(env, NOISE[i % len(NOISE)], draws) for i, env in enumerate(levels)]
    seen, going = set(), set(range(len(levels)))
    image = worlds.drawn()
    for _ in range(STEPS):
        for size, atlas in atlases.items():
            pictures = atlas.render(image).numpy()
            for index in going:
                picture = wrappers[size][index].observation(first[index])["image"]
                assert np.array_equal(pictures[index], picture), (LEVELS[index // 3], size)
        for index in going:
            view = image[index].numpy()
            seen |= {(IDX_TO_OBJECT[kind], state) for kind, _, state in view.reshape(-1, 3)}
            seen.add(("carried", IDX_TO_OBJECT[view[3, 6, 0]]))
        actions = [actor() if index in going else 6 for index, actor in enumerate(actors)]
        boxes = {index for index in going if front_kind(levels[index]) == "box"}
        for index in sorted(going):
            _, _, terminated, truncated, _ = levels[index].unwrapped.step(actions[index])
            if terminated or truncated:
                going.remove(index)
            elif index in boxes and actions[index] == 5:
                seen.add(("opened box", front_kind(levels[index])))
        image = worlds.step(torch.tensor(actions)).image
    doors = {("door", state) for state in range(3)}
    hands = {("carried", kind) for kind in ("empty", "key", "ball", "box")}
    opened = {("opened box", "key"), ("opened box", "nothing")}
    assert doors | hands | opened | {("unseen", 0), ("wall", 0)} <= seen


def front_kind(env):
    thing = env.unwrapped.grid.get(*env.unwrapped.front_pos)
    return thing.type if thing else "nothing"


@pytest.mark.parametrize("size", [1, *SIZES])
def test_every_view_that_can_be_written_down_looks_as_minigrid_draws_it(size):
    """Each kind, colour and state under the agent, and on every other cell."""
    triples = np.array(list(np.ndindex(10, 6, 3)), np.uint8)
    cells = np.arange(len(triples))[:, None] + 11 * np.arange(49)
    images = triples[cells % len(triples)].reshape(-1, 7, 7, 3)
    images = images[images[:, 3, 6, 0] > 0]  # the agent sees its own cell
    assert len(np.unique(images[:, 3, 6], axis=0)) == 9 * 6 * 3
    for image, picture in zip(images, TileAtlas(size).render(torch.tensor(images)), strict=True):
        grid, visible = Grid.decode(image)
        drawn = grid.render(size, (3, 6), agent_dir=3, highlight_mask=visible)
        np.testing.assert_array_equal(picture.numpy(), drawn)


def test_drawing_on_an_accelerator_reads_no_number_back():
    """On tensors without numbers, to read one, or to make a shape of one, is an error."""
    image = torch.zeros(5, 7, 7, 3, dtype=torch.uint8, device="meta")
    picture = TileAtlas(device="meta").render(image)
    assert (picture.shape, picture.dtype) == ((5, 56, 56, 3), torch.uint8)
    assert picture.device.type == "meta"


def test_what_is_no_view_is_refused():
    atlas = TileAtlas()
    for image, message in (
        (torch.zeros(2, 7, 7, 3), "float32"),
        (torch.zeros(7, 7, 3, dtype=torch.uint8), r"\(7, 7, 3\)"),
        (torch.zeros(2, 7, 7, 3, dtype=torch.uint8, device="meta"), "on meta"),
        (np.zeros((2, 7, 7, 3), np.uint8), "ndarray; type torch"),
    ):
        with pytest.raises(EnvError, match=message):
            atlas.render(image)
    with pytest.raises(EnvError, match="tile_size is 0; type 1"):
        TileAtlas(0)
