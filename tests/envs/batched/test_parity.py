"""Batched worlds do what minigrid does, bit for bit."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from envs import level_ids, make_env
from envs.batched import BatchedBabyAI, LevelBank
from envs.batched.parity import SENTENCES, Report, compare

STEPS = 1000
NOISE = (1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.25)


def reset_levels(task, count, start):
    levels = [make_env(task) for _ in range(count)]
    for index, env in enumerate(levels):
        env.reset(seed=start + index)
    return levels


@pytest.mark.parametrize("task", [*level_ids(), *SENTENCES])
def test_a_thousand_steps_are_minigrids(task):
    total, start = Report(0, 0, 0, 0, []), 0
    while total.steps < STEPS:
        total = total.plus(compare(reset_levels(task, 10, start), 120, start, NOISE))
        assert total.differences == []
        start += 10
    assert total.advised > 0


def test_levels_of_all_sizes_share_a_batch():
    levels = [gym.make(name, disable_env_checker=True) for name in level_ids()]
    firsts = [env.reset(seed=5)[0]["image"] for env in levels]
    worlds = BatchedBabyAI(LevelBank.from_minigrid(levels), len(levels), autoreset=False)
    np.testing.assert_array_equal(worlds.observe().image.numpy(), np.stack(firsts))
    assert compare(levels, 40, seed=5).differences == []


def test_episodes_are_cut_where_minigrid_cuts_them():
    levels = reset_levels("BabyAI-GoToObjS4-v0", 30, 0) + reset_levels(
        "BabyAI-PutNextLocalS5N3-v0", 30, 0
    )
    report = compare(levels, 60, seed=0)
    assert report.differences == []
    assert report.truncated > 5
    assert report.succeeded > 5


def test_an_ended_world_stays_as_it_ended():
    levels = reset_levels("BabyAI-GoToObjS4-v0", 8, 0)
    worlds = BatchedBabyAI(LevelBank.from_minigrid(levels), 8, autoreset=False)
    actions = torch.Generator().manual_seed(0)
    ended = torch.zeros(8, dtype=torch.bool)
    last = None
    for _ in range(40):
        step = worlds.step(torch.randint(7, (8,), generator=actions))
        if last is not None:
            assert (step.reward[ended] == 0).all()
            for name in ("image", "direction", "terminated", "truncated", "length"):
                assert torch.equal(getattr(step, name)[ended], getattr(last, name)[ended])
        ended, last = step.terminated | step.truncated, step
    assert ended.all()
