"""Policies on pictures: one function, whether tiles are looked up or pictures are read."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger

from agents import FiLMExtractor, Task, evaluate
from agents.evaluation import begun_on_tensors, open_worlds
from agents.learner import load_agent, make_learner
from agents.learner_state import learner_state, restore_learner
from agents.subject import agent_subject
from agents.task import as_task
from agents.training import train
from envs import make_env
from envs.batched import LevelBank, TileAtlas
from envs.observation import observation_space
from film_rl.run import RunFolder, UserError
from tests.kill_and_resume import assert_same


@pytest.fixture(scope="module")
def config(tiny_tensor):
    return dataclasses.replace(tiny_tensor, view="pixels", steps=192, learning_rate=1e-2)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "pixels", config)
    with run:
        train(config, run)
    return run


@pytest.fixture(scope="module")
def agent(run):
    return load_agent(run, "cpu")[0]


def collected(learner):
    learner.set_logger(Logger(None, []))
    _, callback = learner._setup_learn(1000)
    callback.on_training_start({}, {})
    learner.collect_rollouts(learner.env, callback, learner.rollout_buffer, learner.n_steps)
    return learner.rollout_buffer


@pytest.mark.parametrize("task", ["BabyAI-PutNextS5N2Carrying-v0", "BabyAI-KeyInBox-v0"])
def test_the_view_of_an_environment_is_what_the_atlas_draws_of_its_symbols(task):
    symbols, pixels = make_env(task), make_env(task, pixels=True)
    seen, _ = symbols.reset(seed=3)
    picture, _ = pixels.reset(seed=3)
    for action in (2, 0, 3, 2, 1, 4, 5):
        seen, *_ = symbols.step(action)
        picture, *_ = pixels.step(action)
        assert picture in pixels.observation_space
        drawn = TileAtlas().render(torch.from_numpy(seen["image"][None]))[0]
        assert np.array_equal(picture["image"], drawn)
        assert np.array_equal(picture["instruction"], seen["instruction"])


@torch.no_grad()
def test_looking_tiles_up_is_reading_the_picture(config):
    """What the device thinks of symbols, SB3's policy says of the arrays."""
    learner = make_learner(config)
    rollout = collected(learner)
    for step in range(config.rollout):
        view = type(rollout.view)(*(field[step] for field in rollout.view))
        arrays = learner.env.worlds.to_numpy(view)
        assert arrays["image"].shape == (config.envs, 56, 56, 3)
        seen, _ = learner.policy.obs_to_tensor(arrays)
        _, log_prob, _ = learner.policy.evaluate_actions(seen, rollout.action[step])
        torch.testing.assert_close(log_prob, rollout.log_prob[step])


def test_the_first_ratio_is_one_and_gradients_reach_the_stem(config):
    learner = make_learner(config)
    rollout = collected(learner)
    batch = rollout.minibatch(torch.arange(config.batch_size), rollout.advantage.flatten())
    loss, statistics = learner._loss(batch)
    assert float(statistics[3]) < 1e-6  # the KL divergence
    loss.backward()
    network = learner.policy.features_extractor.network
    assert all(p.grad.abs().max() > 0 for p in network.stem.parameters())


def test_the_engines_play_the_same_episodes(agent, config):
    task = Task.of_config(config)
    minigrid, tensor = (evaluate(agent, task, 12, engine=one) for one in ("minigrid", "tensor"))
    assert minigrid == tensor
    assert as_task(task.names, agent).pixels  # told by what it sees
    with pytest.raises(UserError, match=r"trained on pixels.*make the task with pixels=True"):
        evaluate(agent, dataclasses.replace(task, pixels=False), 1)


@pytest.mark.parametrize("engine", ["tensor", "sb3"])
def test_a_learner_goes_on_exactly(config, engine):
    config = dataclasses.replace(config, engine=engine)
    learner, again = make_learner(config), make_learner(config)
    for one in (learner, again):
        one.set_logger(Logger(None, []))
    learner.learn(64)
    restore_learner(again, copy.deepcopy(learner_state(learner)))
    assert again._last_obs["image"].shape == (config.envs, 3, 56, 56)
    for one in (learner, again):
        torch.manual_seed(0)
        np.random.seed(0)
        one.learn(64, reset_num_timesteps=False)
    assert_same(again.policy.state_dict(), learner.policy.state_dict())


def test_the_microscope_sees_what_the_policy_sees(run, agent, config):
    subject = agent_subject(run, episodes=4, examples=2, device="cpu")
    assert subject.measure() == subject.measure()
    with open_worlds(Task.of_config(config), 20) as worlds:
        _, seen = begun_on_tensors(worlds, range(1_000_000_000, 1_000_000_020))
    observations, _ = agent.policy.obs_to_tensor(seen)
    expected = agent.policy.get_distribution(observations).distribution.probs.detach()
    for row in subject.scores([0, 1], subject.shown).softmax(dim=1).detach():
        assert np.isclose(expected, row, atol=1e-5).all(axis=1).any()


def test_levels_are_those_of_the_symbolic_view(config, run):
    bank = LevelBank.load(run.path / "levels" / "000000.safetensors")
    assert len(bank) == config.levels


@pytest.mark.parametrize("shape", [(64, 64, 3), (7, 7, 1)])
def test_other_pictures_are_refused(shape):
    space = observation_space(0).spaces | {"image": spaces.Box(0, 255, shape, np.uint8)}
    with pytest.raises(UserError, match=r"images .* expected minigrid's symbolic view"):
        FiLMExtractor(spaces.Dict(space))
