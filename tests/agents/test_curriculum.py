"""Levels one after another: when the next one comes, and that a kill changes nothing of it."""

import dataclasses
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.config import AgentConfig
from agents.curriculum import EPISODES, Lessons, first_shares
from agents.device_ppo import DevicePPO
from agents.finish import _curriculum, assess
from agents.learner import check
from agents.task import Task, task_for, tasks_of
from agents.training import train
from envs.batched.record import Row
from envs.batched.visits import Ended
from film_rl.run import Checkpointer, Interrupted, RunFolder, UserError
from film_rl.run.metrics import read_metrics
from tests.agents.conftest import whole
from tests.agents.test_training import final_state
from tests.kill_and_resume import assert_same, kill

LEVELS = ("BabyAI-GoToObjS4-v0", "BabyAI-GoToObjS6-v1", "BabyAI-OpenRedDoor-v0")
UPDATE = 64 * 16  # steps


@pytest.fixture(scope="module")
def ladder(tiny_tensor) -> AgentConfig:
    """Two levels that chance solves often enough to go on, and a last one."""
    return dataclasses.replace(
        tiny_tensor,
        instr=(),
        room_size=None,
        distractors=None,
        curriculum=LEVELS,
        advance_at=0.2,
        envs=64,
        batch_size=512,
        steps=24 * UPDATE,
        checkpoint_every=2 * UPDATE,
    )


@pytest.fixture(scope="module")
def climbed(ladder, tmp_path_factory):
    return whole(ladder, tmp_path_factory)


def stages(run: RunFolder) -> list[int]:
    return [int(record["curriculum/level"]) for record in read_metrics(run.path)]


def test_levels_come_one_after_another_and_episodes_begin_on_the_present_one(ladder, climbed):
    run, learner = climbed
    reached = stages(run)
    assert reached == sorted(reached)
    assert reached[0] == 0
    assert reached[-1] >= 1
    ended = learner.env.worlds.ended()
    for stage, level in enumerate(LEVELS):
        if stage != reached[-1]:  # of that one none may have ended yet
            assert bool(ended[stage].episodes) == (stage < reached[-1])
        logged = [record for record in read_metrics(run.path) if f"levels/{level}" in record]
        assert all(0 <= record[f"levels/{level}"] <= 1 for record in logged)
    assert ended[0].episodes >= EPISODES
    assert learner.env.worlds.worlds.shares[reached[-1]] == 1
    first = next(r for r in read_metrics(run.path) if "curriculum/success_rate" in r)
    limit = int(learner.env.worlds.bank.record[Row.MAX_STEPS].min())  # of the smallest room
    assert first["step"] > 64 * limit


def test_a_run_killed_in_the_middle_of_a_curriculum_ends_bit_for_bit_the_same(
    ladder, climbed, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", ladder)
    second = stages(climbed[0]).index(1)  # the update after which the second level began
    kill(train, run, ladder, "torch.optim:Adam.step", 2 * (second + 3))
    assert Checkpointer(run.checkpoints).load().state["lessons"]["stage"] == 1
    with run:
        train(ladder, run)
    assert_same(final_state(run), final_state(climbed[0]))


def test_a_run_stopped_while_a_level_is_being_judged_goes_on_exactly(
    ladder, climbed, tmp_path, monkeypatch
):
    run = RunFolder.create(tmp_path / "stopped", ladder)
    stop, calls, real = stages(climbed[0]).index(1) - 1, 0, DevicePPO.train

    def signalling(learner):
        nonlocal calls
        if calls == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        calls += 1
        real(learner)

    monkeypatch.setattr(DevicePPO, "train", signalling)
    with run, pytest.raises(Interrupted):
        train(ladder, run)
    saved = Checkpointer(run.checkpoints).load()
    assert saved.step == (stop + 1) * UPDATE
    assert saved.state["lessons"]["stage"] == 0
    assert sum(episodes for episodes, _ in saved.state["lessons"]["recent"]) > 0
    with run:
        train(ladder, run)
    assert_same(final_state(run), final_state(climbed[0]))


@settings(max_examples=60, deadline=None)
@given(
    updates=st.lists(st.tuples(st.integers(0, 900), st.floats(0, 1)), max_size=40),
    at=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
def test_a_level_is_solved_by_its_last_thousand_episodes_after_the_longest_could_end(updates, at):
    """Compared with the same rule told backwards: from each update look back as far as needed."""
    longest, steps, shares = [64, 100, 30], 20, []
    record = torch.zeros(len(Row), 3, dtype=torch.int32)
    record[Row.MAX_STEPS], record[Row.TASK] = torch.tensor(longest), torch.arange(3)
    ended = [[0, 0] for _ in range(3)]
    worlds = SimpleNamespace(
        bank=SimpleNamespace(record=record),
        ended=lambda: [Ended(*counts) for counts in ended],
        set_shares=shares.append,
    )
    config = AgentConfig(curriculum=LEVELS, advance_at=at)
    lessons = Lessons(config, worlds, None)
    stage, began = 0, 0
    history: list[tuple[int, int]] = []
    for number, (episodes, success) in enumerate(updates):
        good = round(episodes * success)
        ended[stage][0] += episodes
        ended[stage][1] += good
        ended[stage - 1][0] += 7  # of episodes that were under way
        history.append((episodes, good))
        resumed = Lessons(config, worlds, lessons.state())
        assert lessons.look(steps)["curriculum/level"] == resumed.look(steps)["curriculum/level"]
        wait = longest[stage] + (longest[stage - 1] if stage else 0)
        fair = [n for n in range(began, number + 1) if (n - began) * steps >= wait]
        total = successes = 0
        for n in reversed(fair):
            total, successes = total + history[n][0], successes + history[n][1]
            if total >= EPISODES:
                break
        if total >= EPISODES and successes / total >= at and stage < 2:
            stage, began = stage + 1, number + 1
            assert shares[-1][stage] == sum(shares[-1]) == 1
        assert lessons.stage == stage


def test_at_the_end_the_last_level_is_measured_and_each_of_them(ladder, climbed):
    run, learner = climbed
    task = task_for(ladder)
    assert (str(task), task.shares) == (LEVELS[-1], ())
    assert first_shares(ladder) == (1, 0, 0)
    figures = assess(learner, task, 2, "tensor", levels=tasks_of(ladder))
    assert figures["task"] == LEVELS[-1]
    assert list(figures["per_level"]) == list(LEVELS)
    assert figures["per_level"][LEVELS[-1]]["sampled"] == figures["sampled"]["overall"]
    began = _curriculum(ladder, run)["level_began"]
    assert list(began) == list(LEVELS)[: stages(run)[-1] + 1]
    assert began[LEVELS[1]] == (stages(run).index(1) + 1) * UPDATE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curriculum": (*LEVELS, LEVELS[0])}, f"--curriculum names {LEVELS[0]} twice"),
        ({"curriculum": ("BabyAI-GoToObjS7-v1",)}, "did you mean 'BabyAI-GoToObjS"),
        ({"level": LEVELS[0]}, "give either --instr"),
        ({"engine": "sb3"}, "--engine sb3 trains on one task"),
        ({"advance_at": 1.5}, "--advance-at 1.5: expected 0 to 1"),
    ],
)
def test_a_curriculum_that_cannot_be_is_refused(ladder, change, message):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(ladder, **change))


def test_the_levels_of_a_curriculum_stand_in_one_bank(ladder, climbed):
    assert [str(task) for task in tasks_of(ladder)] == list(LEVELS)
    bank = climbed[1].env.worlds.bank
    assert bank.record[Row.TASK].unique().tolist() == [0, 1, 2]
    sizes = [Task(level).make().unwrapped.width for level in LEVELS]
    assert bank.width == max(sizes) > min(sizes)
