import dataclasses
import os
import re
import signal
from contextlib import closing
from pathlib import Path

import pytest
import torch

from agents.config import ImitationConfig
from agents.dagger import ROUNDS_SEED, look_on
from agents.demos import completed, read_lessons, source_of
from agents.imitation import imitate
from agents.learner import untrained_agent
from agents.task import Task
from envs import EnvError
from envs.bot import Bot
from envs.demonstrations import make_demonstrations
from film_rl.run import Checkpointer, Interrupted, RunFolder, UserError
from tests.kill_and_resume import assert_same, kill, records

WORLDS = {"instr": ("go to the red ball", "go to the blue key"), "room_size": 5, "distractors": 1}
TINY = ImitationConfig(
    **WORLDS,
    memory="gru",
    last_actions=2,
    channels=8,
    sentence_dim=8,
    memory_dim=8,
    segment=4,
    batch_size=32,
    updates=24,
    rounds=1,
    round_episodes=6,
    eval_every=16,
    val_episodes=8,
    checkpoint_every=5,
    precision="float32",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ImitationConfig:
    """A configuration with 20 demonstrations to learn from: 24 updates and one round of DAgger."""
    folder = tmp_path_factory.mktemp("demos") / "two-sentences"
    make_demonstrations(folder, source_of(TINY), 20)
    return completed(dataclasses.replace(TINY, demos=str(folder)))


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory) -> RunFolder:
    """A run of it that was never interrupted."""
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "whole", config)
    with run:
        imitate(config, run)
    return run


def final_state(run: RunFolder) -> dict:
    """All of the last checkpoint that decides how training would go on, and the metrics."""
    checkpoint = Checkpointer(run.checkpoints).load()
    learner = checkpoint.state["learner"]
    return {"step": checkpoint.step, "learner": learner, "metrics": records(run)}


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("agents.dagger:advise", 1),  # in the round
        ("torch.optim:AdamW.step", 14),  # after it, with no checkpoint since
    ],
)
def test_a_killed_run_ends_bit_for_bit_like_one_never_killed(
    target, number, config, whole, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", config)
    kill(imitate, run, config, target, number)
    with run:
        imitate(config, run)
    assert_same(final_state(run), final_state(whole))


def test_every_logged_metric_is_explained(whole):
    logged = {name for record in records(whole) for name in record}
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert {"train/surprise", "val/success_rate", "dagger/agreement"} <= logged
    assert logged <= set(re.findall(r"`([a-z_/]+)`", page))


def test_a_signal_saves_and_stops_and_the_run_goes_on_exactly(config, whole, tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "stopped", config)
    real, calls = torch.optim.AdamW.step, []

    def signalling(*args, **kwargs):
        calls.append(1)
        if len(calls) == 18:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", signalling)
    with run, pytest.raises(Interrupted):
        imitate(config, run)
    assert Checkpointer(run.checkpoints).load().step == 18
    with run:
        imitate(config, run)
    assert_same(final_state(run), final_state(whole))


def test_a_run_whose_lessons_are_gone_or_others_does_not_go_on(config, tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "run", config)
    with run:
        imitate(config, run)
    learned, held_out = read_lessons(config)
    fewer = learned.chosen(torch.arange(learned.num_episodes) > 0)
    monkeypatch.setattr("agents.imitation.read_lessons", lambda _config: (fewer, held_out))
    with run, pytest.raises(UserError, match="has other demonstrations than those this run"):
        imitate(config, run)


def test_in_a_round_the_bot_judges_what_the_agent_saw_and_did(config):
    """Played again on minigrid with the agent's actions, every frame and every advice is there."""
    torch.manual_seed(0)
    lessons, found = look_on(untrained_agent(config, config.device), config, 1)
    again, _ = look_on(untrained_agent(config, config.device), config, 2)
    assert found["dagger/frames"] == lessons.num_frames
    assert lessons.num_episodes + found["dagger/left_out"] == config.round_episodes
    played = 0
    with closing(Task.of_config(config).make()) as world:
        for seed in range(ROUNDS_SEED, ROUNDS_SEED + config.round_episodes):
            seen, _ = world.reset(seed=seed)
            bot, last, over = Bot(world), None, False
            assert world.unwrapped.mission == lessons.sentences[lessons.sentence[played]]
            for frame in range(lessons.first[played], lessons.first[played + 1]):
                assert not over
                assert torch.equal(lessons.image[frame], torch.from_numpy(seen["image"]))
                assert lessons.advice[frame] == bot(last)
                last = int(lessons.taken[frame])
                seen, _, terminated, truncated, _ = world.step(last)
                over = terminated or truncated
            assert over
            played += 1
    assert not torch.equal(lessons.first, again.first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"demos": ""}, "give the folder of the demonstrations"),
        ({"demonstrations": 1}, "--demonstrations 1: .* has 20; expected 2 or more"),
        ({"demonstrations": 21}, "--demonstrations 21: .* has 20"),
        ({"rounds": 24}, "--rounds 24: expected fewer than --updates 24"),
        ({"hold_out": ("red key",)}, "--hold-out"),
        ({"updates": 0}, "--updates 0: expected 1 to"),
        ({"device": "cuda:7"}, "CUDA GPUs are seen"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(change, message, config):
    with pytest.raises(UserError, match=message):
        completed(dataclasses.replace(config, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"instr": ("go to the red ball",)},
        {"instr": (), "level": "BabyAI-GoToLocal-v0", "room_size": None, "distractors": None},
        {"room_size": 6},
    ],
)
def test_demonstrations_of_another_task_are_refused(change, config):
    with pytest.raises(EnvError, match="the demonstrations are of go to the red ball; go to the"):
        completed(dataclasses.replace(config, **change))


def test_the_demonstrations_say_what_the_task_is_and_how_many_there_are(config):
    bare = dataclasses.replace(config, instr=(), room_size=None, distractors=None, demonstrations=0)
    assert completed(bare) == config
    learned, held_out = read_lessons(config)
    assert (learned.num_episodes, held_out.num_episodes) == (19, 1)
