import dataclasses
import os
import shutil
import signal
from typing import get_args

import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from agents.config import Conditioning
from agents.device_ppo import DevicePPO
from agents.learner import check, load_agent, make_learner
from agents.training import train
from envs import EnvError
from envs.batched.facades import InstructedWorlds
from film_rl.run import (
    Checkpointer,
    Interrupted,
    NonFiniteError,
    RunFolder,
    StopRequest,
    UserError,
    seed_everything,
)
from tests.kill_and_resume import assert_same, kill, records


def final_state(run: RunFolder) -> dict:
    """All of the last checkpoint that decides how training would go on, and the metrics."""
    checkpoint = Checkpointer(run.checkpoints).load()
    for episode in checkpoint.state["learner"]["episodes"]:
        episode.pop("t", None)
    log = checkpoint.state["learner"]["log"]
    for name in [name for name in log if name.startswith("time")]:
        del log[name]
    return {
        "step": checkpoint.step,
        "learner": checkpoint.state["learner"],
        "metrics": records(run),
    }


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("stable_baselines3.ppo:PPO.train", 1),  # before the first checkpoint
        ("stable_baselines3.common.vec_env:DummyVecEnv.step_wait", 50),  # in a rollout
        ("torch.optim:Adam.step", 17),  # between two minibatches
        ("os:fsync", 8),  # in the first save, its files half written
        ("pathlib:Path.rename", 2),  # in the second save, before it counts
        ("film_rl.run.checkpoint:write_atomically", 2),  # after the rename, before LAST moves
        ("film_rl.run.checkpoint:Checkpointer._prune", 3),  # saved, the old one not removed yet
    ],
)
def test_a_killed_run_ends_bit_for_bit_like_one_never_killed(
    target, number, tiny, trained, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", tiny)
    kill(train, run, tiny, target, number)
    with run:
        train(tiny, run)
    whole, _ = trained
    assert_same(final_state(run), final_state(whole))


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("agents.device_ppo:DevicePPO.train", 1),  # before the first checkpoint
        ("envs.batched.facades:InstructedWorlds.step", 50),  # in a rollout
        ("torch.optim:Adam.step", 17),  # between two minibatches
        ("film_rl.run.checkpoint:write_atomically", 2),  # after the rename, before LAST moves
    ],
)
def test_a_killed_run_on_tensors_ends_bit_for_bit_like_one_never_killed(
    target, number, tiny_tensor, trained_tensor, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", tiny_tensor)
    kill(train, run, tiny_tensor, target, number)
    with run:
        train(tiny_tensor, run)
    whole, _ = trained_tensor
    assert_same(final_state(run), final_state(whole))


def test_a_killed_run_in_bfloat16_ends_bit_for_bit_too(tiny_tensor, tmp_path):
    config = dataclasses.replace(tiny_tensor, precision="bf16")
    runs = [RunFolder.create(tmp_path / name, config) for name in ("whole", "killed")]
    kill(train, runs[1], config, "torch.optim:Adam.step", 17)
    for run in runs:
        with run:
            train(config, run)
    assert_same(final_state(runs[1]), final_state(runs[0]))


def test_a_run_on_tensors_stops_at_a_signal_and_goes_on_exactly(
    tiny_tensor, trained_tensor, tmp_path, monkeypatch
):
    run = RunFolder.create(tmp_path / "stopped", tiny_tensor)
    real = DevicePPO.train
    calls = 0

    def signalling(learner):
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        real(learner)

    monkeypatch.setattr(DevicePPO, "train", signalling)
    with run, pytest.raises(Interrupted):
        train(tiny_tensor, run)
    assert Checkpointer(run.checkpoints).load().step == 3 * tiny_tensor.envs * tiny_tensor.rollout
    with run:
        train(tiny_tensor, run)
    assert_same(final_state(run), final_state(trained_tensor[0]))


def test_a_reward_on_tensors_that_is_not_finite_stops_training_before_a_checkpoint(
    tiny_tensor, tmp_path, monkeypatch
):
    run = RunFolder.create(tmp_path / "nan", tiny_tensor)
    real = InstructedWorlds.step
    calls = 0

    def step(worlds, action):
        nonlocal calls
        calls += 1
        outcome = real(worlds, action)
        if calls == 70:
            return outcome._replace(reward=outcome.reward * float("nan"))
        return outcome

    monkeypatch.setattr(InstructedWorlds, "step", step)
    with run, pytest.raises(NonFiniteError, match=r"is NaN or infinite at step 320"):
        train(tiny_tensor, run)
    assert Checkpointer(run.checkpoints).load().step == 256
    dump = Checkpointer(run.path / "crash").load().state
    assert dump["rollout"]["reward"].isnan().any()
    assert all(parameter.isfinite().all() for parameter in dump["policy"].values())


def test_an_agent_trained_on_tensors_is_loaded_as_it_was_without_its_levels(trained_tensor):
    run, learner = trained_tensor
    agent, config = load_agent(run)
    assert config.engine == "tensor"
    for name, parameter in learner.policy.state_dict().items():
        assert torch.equal(agent.policy.state_dict()[name], parameter)


def test_at_most_one_checkpoint_interval_is_lost(tiny, tmp_path):
    run = RunFolder.create(tmp_path / "killed", tiny)
    kill(train, run, tiny, "stable_baselines3.common.vec_env:DummyVecEnv.step_wait", 127)
    assert Checkpointer(run.checkpoints).load().step >= 126 * tiny.envs - tiny.checkpoint_every - (
        tiny.envs * tiny.rollout
    )


def test_a_damaged_checkpoint_costs_one_interval_and_nothing_else(tiny, trained, tmp_path):
    run = RunFolder.create(tmp_path / "damaged", tiny)
    with run:
        train(tiny, run)
    last = run.checkpoints / (run.checkpoints / "LAST").read_text().strip() / "tensors.safetensors"
    last.write_bytes(last.read_bytes()[:-1])
    with run, pytest.warns(UserWarning, match=r"step_000000000640 is damaged.*step_000000000512"):
        train(tiny, run)
    assert_same(final_state(run), final_state(trained[0]))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_run_goes_on_exactly(
    signum, tiny, trained, tmp_path, monkeypatch
):
    run = RunFolder.create(tmp_path / "stopped", tiny)
    real = DummyVecEnv.step_wait
    calls = 0

    def signalling(worlds):
        nonlocal calls
        calls += 1
        if calls == 40:  # in the third rollout
            os.kill(os.getpid(), signum)
        return real(worlds)

    monkeypatch.setattr(DummyVecEnv, "step_wait", signalling)
    with run, pytest.raises(Interrupted) as stopped:
        train(tiny, run)
    assert stopped.value.signum == signum
    assert Checkpointer(run.checkpoints).load().step == 3 * tiny.envs * tiny.rollout
    with run:
        train(tiny, run)
    assert_same(final_state(run), final_state(trained[0]))


def test_another_seed_is_another_run(tiny, trained, tmp_path):
    run = RunFolder.create(tmp_path / "other", tiny)
    with run:
        learner, _ = train(dataclasses.replace(tiny, seed=1), run)
    first = trained[1].policy.state_dict()
    assert not all(torch.equal(v, first[k]) for k, v in learner.policy.state_dict().items())


@pytest.mark.parametrize("conditioning", get_args(Conditioning))
def test_the_ratio_is_one_on_the_first_minibatch_of_every_update(conditioning, tiny):
    """If rollout and update saw different networks (batch norm, dropout), it would not be."""
    config = dataclasses.replace(tiny, conditioning=conditioning, learning_rate=1e-2)
    seed_everything(0)
    learner = make_learner(config)
    real = learner.policy.evaluate_actions
    largest = []

    def evaluate_actions(observations, actions):
        values, log_prob, entropy = real(observations, actions)
        ratio = torch.exp(log_prob - learner.rollout_buffer.last_minibatch.old_log_prob)
        largest.append(float((ratio - 1).abs().max().detach()))
        return values, log_prob, entropy

    learner.policy.evaluate_actions = evaluate_actions
    learner.learn(config.steps)
    minibatches = config.envs * config.rollout // config.batch_size
    assert len(largest) == 10 * minibatches
    assert max(largest[::minibatches]) < 1e-5 < max(largest)


def poison(learner, value: float) -> None:
    """From the fifth rollout step on, one world pays `value`."""
    worlds = learner.env.venv
    real = worlds.step_wait
    calls = 0

    def step_wait():
        nonlocal calls
        calls += 1
        observations, rewards, dones, infos = real()
        if calls >= 70:
            rewards[0] = value
        return observations, rewards, dones, infos

    worlds.step_wait = step_wait


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_stops_training_in_that_step(
    value, tiny, tmp_path, monkeypatch
):
    run = RunFolder.create(tmp_path / "nan", tiny)

    def poisoned(*args):
        learner = make_learner(*args)
        poison(learner, value)
        return learner

    monkeypatch.setattr("agents.training.make_learner", poisoned)
    with run, pytest.raises(NonFiniteError, match=r"a reward is NaN or infinite at step 280"):
        train(tiny, run)
    good = Checkpointer(run.checkpoints).load()
    assert good.step == 256
    dump = Checkpointer(run.path / "crash").load()
    assert dump.state["what"] == "a reward"
    assert set(dump.state["observations"]) == {"image", "instruction", "last_actions"}


def test_a_nan_in_the_loss_stops_before_the_optimiser_and_dumps_the_minibatch(
    tiny, tmp_path, monkeypatch
):
    run = RunFolder.create(tmp_path / "nan", tiny)

    def poisoned(*args):
        learner = make_learner(*args)
        real = learner.policy.evaluate_actions
        calls = 0

        def evaluate_actions(*args):
            nonlocal calls
            calls += 1
            values, log_prob, entropy = real(*args)
            return (values * float("nan") if calls == 12 else values), log_prob, entropy

        learner.policy.evaluate_actions = evaluate_actions
        return learner

    monkeypatch.setattr("agents.training.make_learner", poisoned)
    with run, pytest.raises(NonFiniteError, match=r"the gradient of .* is NaN or infinite"):
        train(tiny, run)
    dump = Checkpointer(run.path / "crash").load().state
    assert dump["minibatch"]["actions"].shape == (tiny.batch_size, 1)
    assert all(parameter.isfinite().all() for parameter in dump["policy"].values())
    assert Checkpointer(run.checkpoints).load().step == 256


def test_parameters_that_blow_up_stop_training_with_the_last_good_checkpoint(tiny, tmp_path):
    config = dataclasses.replace(tiny, learning_rate=1e30)
    run = RunFolder.create(tmp_path / "blown", config)
    with run, pytest.raises(NonFiniteError, match="--learning-rate"):
        train(config, run)
    assert Checkpointer(run.checkpoints).load() is None
    assert (run.path / "crash" / "LAST").exists()


def test_a_trained_agent_is_loaded_as_it_was(trained):
    run, learner = trained
    agent, config = load_agent(run)
    assert config.instr == ("go to the red ball", "go to the blue key")
    for name, parameter in learner.policy.state_dict().items():
        assert torch.equal(agent.policy.state_dict()[name], parameter)


def test_a_run_without_a_checkpoint_cannot_be_loaded(tiny, tmp_path):
    with pytest.raises(UserError, match="has no checkpoint yet"):
        load_agent(RunFolder.create(tmp_path, tiny))


def test_a_checkpoint_of_another_network_is_refused(tiny, trained, tmp_path):
    run = RunFolder.create(tmp_path / "wider", dataclasses.replace(tiny, channels=16))
    (run.path / "checkpoints").symlink_to(trained[0].checkpoints)
    with pytest.raises(UserError, match=r"not of .*config.json; was one of them edited"):
        load_agent(run)


@pytest.mark.parametrize("change", [{"channels": 16}, {"last_actions": 2}, {"envs": 8}])
def test_a_configuration_edited_by_hand_does_not_resume(change, tiny, trained, tmp_path):
    run = RunFolder.create(tmp_path / "edited", dataclasses.replace(tiny, **change))
    shutil.copytree(trained[0].checkpoints, run.checkpoints)
    (run.path / "metrics.jsonl").write_bytes((trained[0].path / "metrics.jsonl").read_bytes())
    with run, pytest.raises(UserError, match="was one of them edited"):
        train(run.config(type(tiny)), run)


def test_stopping_again_at_once_does_not_touch_the_only_checkpoint(tiny, tmp_path, monkeypatch):
    """Replacing it would leave a moment without any."""
    run = RunFolder.create(tmp_path / "stopped", tiny)
    real = StopRequest.__enter__

    def stopped_before_it_begins(stop):
        os.kill(os.getpid(), signal.SIGTERM) if real(stop) else None
        return stop

    monkeypatch.setattr(StopRequest, "__enter__", stopped_before_it_begins)
    inodes = set()
    for _ in range(2):
        with run, pytest.raises(Interrupted):
            train(tiny, run)
        inodes.add((run.checkpoints / "step_000000000000" / "state.json").stat().st_ino)
    assert len(inodes) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "--steps 0: expected 1 to"),
        ({"batch_size": 1}, "--batch-size 1: expected 2 to"),
        ({"batch_size": 48}, "does not divide the 64 samples .* type --batch-size 32"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
        ({"discount": 1.5}, "--discount 1.5: expected 0 to 1"),
        ({"seed": 10**9}, "--seed 1000000000: expected 0 to 999,999,999"),
        ({"seed": 10**9 - 1}, "the worlds of evaluation begin at 1,000,000,000; type 999999996"),
        ({"entropy": float("inf")}, "--entropy inf"),
        ({"threads": 100_000}, "--threads 100000"),
        ({"channels": 10**7}, "--channels 10000000"),
        ({"device": "cuda:7"}, "CUDA GPUs are seen"),
        ({"instr": ()}, "give either --instr"),
        ({"level": "BabyAI-GoTo-v0"}, "give either --instr"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_before_anything_is_written(
    change, message, tiny
):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(tiny, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instr": ("go to the rde ball",)}, "red"),
        ({"instr": (), "level": "BabyAI-GoToLocl-v0", "room_size": None, "distractors": None},
         "BabyAI-GoToLocal-v0"),
        ({"room_size": 3}, "room"),
    ],
)  # fmt: skip
def test_a_task_that_cannot_exist_is_refused_with_a_hint(change, message, tiny):
    with pytest.raises(EnvError, match=message):
        check(dataclasses.replace(tiny, **change))
