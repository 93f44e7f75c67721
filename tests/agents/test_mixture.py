"""One policy for several levels: their shares, their levels, what is measured of each."""

import dataclasses
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents import evaluate, load_agent
from agents.config import AgentConfig
from agents.evaluation import on_minigrid, on_tensors
from agents.finish import assess
from agents.learner import check
from agents.levels import level_bank
from agents.mixture import read_shares
from agents.task import Task, task_for
from agents.training import train
from envs import level_ids
from envs.batched import BatchedBabyAI
from envs.batched.record import Row
from film_rl.run import RunFolder, UserError
from tests.agents.conftest import whole
from tests.agents.test_training import final_state
from tests.kill_and_resume import assert_same, kill

LEVELS = ("BabyAI-GoToObjS4-v0", "BabyAI-OpenRedDoor-v0")  # grids of 4 x 4 and 15 x 8


@pytest.fixture(scope="module")
def mixed(tiny_tensor) -> AgentConfig:
    return dataclasses.replace(
        tiny_tensor,
        instr=(),
        room_size=None,
        distractors=None,
        mixture=(f"{LEVELS[0]}=0.75", f"{LEVELS[1]}=1/4"),
        refresh=128,
    )


@pytest.fixture(scope="module")
def trained_mixed(mixed, tmp_path_factory):
    return whole(mixed, tmp_path_factory)


@given(weights=st.lists(st.integers(1, 10**6), min_size=1, max_size=9))
def test_shares_are_read_exactly(weights):
    levels, total = level_ids(), sum(weights)
    words = [f"{level}={weight}/{total}" for level, weight in zip(levels, weights, strict=False)]
    shares = read_shares(words)
    assert list(shares.items()) == [
        (level, Fraction(weight, total)) for level, weight in zip(levels, weights, strict=False)
    ]
    assert (
        sum(read_shares((f"{levels[0]}=0.1", f"{levels[1]}=0.2", f"{levels[2]}=.7")).values()) == 1
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("BabyAI-GoToObj-v0=0.5", "BabyAI-GoToLocal-v0=0.4"), r"0.5 \+ 0.4 are 0.9 together"),
        (("BabyAI-GoToObj-v0=0.5", "BabyAI-GoToLocl-v0=0.5"), "did you mean 'BabyAI-GoToLocal-v0'"),
        (("BabyAI-GoToObj-v0=0.5", "BabyAI-GoToObj-v0=0.5"), "names BabyAI-GoToObj-v0 twice"),
        (("BabyAI-GoToObj-v0",), "above 0: type --mixture"),
        (("BabyAI-GoToObj-v0=nan",), "above 0"),
        (("BabyAI-GoToObj-v0=1/0",), "above 0"),
        (("BabyAI-GoToObj-v0=2", "BabyAI-GoToLocal-v0=-1"), "above 0"),
        (("go to the red ball=1",), "no level is called 'go to the red ball'"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(mixed, words, message):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(mixed, mixture=words))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": LEVELS[0]}, "give either --instr"),
        ({"engine": "sb3", "refresh": 0}, "--engine sb3 trains on one task; leave it out"),
        ({"hold_out": ("red key",)}, "--hold-out leaves out sentences"),
    ],
)
def test_what_does_not_go_with_a_mixture_is_refused(mixed, change, message):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(mixed, **change))


def test_a_bank_has_as_many_levels_of_each(mixed):
    for parts in (0, 1, 5):
        task = level_bank(mixed, None, parts).record[Row.TASK]
        assert torch.bincount(task).tolist() == [16, 16]
    few = dataclasses.replace(mixed, levels=1)
    with pytest.raises(UserError, match="none of the 1 levels is one of 'BabyAI-OpenRedDoor-v0'"):
        level_bank(few, None)


def test_episodes_begin_by_the_shares(mixed, trained_mixed):
    assert trained_mixed[1].env.worlds.worlds.shares == (0.75, 0.25)
    worlds = BatchedBabyAI(level_bank(mixed, None), 4096, shares=(0.75, 0.25))
    tasks = worlds._record[Row.TASK]
    assert abs(int(tasks.sum()) - 1024) < 6 * (4096 * 3 / 16) ** 0.5


def test_an_episode_of_a_mixture_is_a_function_of_its_seed(mixed):
    task = Task.of_config(mixed)
    one, other = task.make(), task.make()
    seen = []
    for seed in range(40):
        for world in (one, other):
            world.reset()  # what came before makes no difference
            world.reset(seed=seed)
        assert one.unwrapped.mission == other.unwrapped.mission
        assert one.unwrapped.spec.id == other.unwrapped.spec.id
        seen.append(one.unwrapped.spec.id)
    assert set(seen) == set(LEVELS)
    assert seen.count(LEVELS[0]) > 20


def test_a_mixture_s_episodes_are_minigrids_on_tensors_too(trained_mixed, mixed):
    task, seeds = Task.of_config(mixed), range(50, 74)
    agent = trained_mixed[1]
    ours = on_tensors(agent, task, seeds, deterministic=False, num_envs=7)
    assert ours == on_minigrid(agent, task, seeds, deterministic=False, num_envs=7)
    assert len({episode.instruction for episode in ours}) > 1


def test_success_is_told_for_each_level_as_it_is_of_that_level_alone(trained_mixed):
    run, _ = trained_mixed
    agent, config = load_agent(run)
    task = task_for(config)
    assert task.shares == (0.75, 0.25)
    figures = assess(agent, task, 6)
    assert figures["task"] == f"{LEVELS[0]} 0.75; {LEVELS[1]} 0.25"
    assert list(figures["per_level"]) == list(LEVELS)
    for level in LEVELS:
        alone = evaluate(
            agent, Task(level, last_actions=config.last_actions), 6, deterministic=True
        )
        assert figures["per_level"][level]["argmax"] == alone.to_json()["overall"]
    assert "per_level" not in assess(agent, task_for(config, level=LEVELS[0]), 1)


def test_a_killed_run_on_a_mixture_ends_bit_for_bit_like_one_never_killed(
    mixed, trained_mixed, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", mixed)
    kill(train, run, mixed, "torch.optim:Adam.step", 15)
    with run:
        train(mixed, run)
    assert_same(final_state(run), final_state(trained_mixed[0]))
