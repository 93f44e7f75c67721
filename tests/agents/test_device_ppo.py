"""PPO on the device computes what SB3's does, and reads each sentence once."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import StopTrainingOnMaxEpisodes
from stable_baselines3.common.logger import Logger
from torch.nn.utils import parameters_to_vector

from agents import FiLMPolicy, evaluate
from agents.batched_vec_env import BatchedVecEnv
from agents.device_ppo import DevicePPO, sample
from agents.device_rollout import DeviceRollout
from envs import make_env
from envs.batched import LevelBank
from envs.batched.facades import InstructedWorlds
from envs.observation import observation_space
from film_rl.film import take
from film_rl.run import UserError

SENTENCES = ("go to the red ball", "go to the blue key", "pick up a box")
STEPS, WORLDS = 12, 6


def bank(count: int = 24) -> LevelBank:
    env = make_env(SENTENCES, room_size=5, distractors=1)
    levels = [make_env(SENTENCES, room_size=5, distractors=1) for _ in range(count)]
    for seed, level in enumerate(levels):
        level.reset(seed=seed)
    env.close()
    return LevelBank.from_minigrid(levels)


@pytest.fixture(scope="module")
def levels() -> LevelBank:
    return bank()


SMALL = {"features_extractor_kwargs": {"channels": 8, "sentence_dim": 8, "features_dim": 32}}
SETTINGS = {
    "n_steps": STEPS,
    "gamma": 0.9,
    "gae_lambda": 0.8,
    "ent_coef": 0.02,
    "seed": 0,
    "device": "cpu",
    "policy_kwargs": SMALL,
}


def device_ppo(levels, **changes) -> DevicePPO:
    worlds = BatchedVecEnv(InstructedWorlds(levels, WORLDS))
    return DevicePPO(FiLMPolicy, worlds, **{**SETTINGS, "batch_size": 24, **changes})


def collected(learner: DevicePPO) -> DeviceRollout:
    """One rollout, no update."""
    learner.set_logger(Logger(None, []))
    _, callback = learner._setup_learn(1000)
    callback.on_training_start({}, {})
    assert learner.collect_rollouts(learner.env, callback, learner.rollout_buffer, STEPS)
    return learner.rollout_buffer


def as_numpy(learner: DevicePPO, rollout: DeviceRollout, step: int) -> dict:
    view = type(rollout.view)(*(field[step] for field in rollout.view))
    return learner.env.worlds.to_numpy(view)


def stock_buffer(learner: DevicePPO, rollout: DeviceRollout) -> DictRolloutBuffer:
    """SB3's buffer filled with the rollout as SB3's own loop would fill it."""
    space = learner.observation_space
    buffer = DictRolloutBuffer(
        STEPS, space, learner.action_space, "cpu", learner.gae_lambda, learner.gamma, WORLDS
    )
    starts = np.ones(WORLDS, bool)
    rewards = rollout.reward.numpy().copy()
    rows, final, _ = rollout.cut_short()
    for row, *parts in zip(rows.tolist(), *final, strict=True):
        seen = learner.env.worlds.to_numpy(type(final)(*(part[None] for part in parts)))
        value = learner.policy.predict_values(learner.policy.obs_to_tensor(seen)[0])
        rewards[row // WORLDS, row % WORLDS] += learner.gamma * float(value)
    for step in range(STEPS):
        buffer.add(
            as_numpy(learner, rollout, step),
            rollout.action[step, :, None].numpy(),
            rewards[step],
            starts,
            rollout.value[step],
            rollout.log_prob[step],
        )
        starts = rollout.over[step].numpy()
    now = learner.env.worlds.to_numpy(learner.env.worlds.view)
    last_values = learner.policy.predict_values(learner.policy.obs_to_tensor(now)[0])
    buffer.compute_returns_and_advantage(last_values.detach(), starts)
    return buffer


@torch.no_grad()
def test_advantages_and_targets_are_those_of_sb3_s_buffer(levels):
    learner = device_ppo(levels, n_steps=STEPS)
    for _ in range(4):  # 48 steps of worlds that end after at most 25
        rollout = collected(learner)
    assert rollout.over.any()
    buffer = stock_buffer(learner, rollout)
    np.testing.assert_allclose(rollout.advantage.numpy(), buffer.advantages, atol=1e-5)
    np.testing.assert_allclose(rollout.target.numpy(), buffer.returns, atol=1e-5)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 5))
def test_any_rollout_s_advantages_are_those_of_sb3_s_buffer(seed, steps, worlds):
    torch.manual_seed(seed)
    space, action_space = observation_space(0), make_env("go to the red ball").action_space
    rollout = DeviceRollout(steps, space, action_space, "cpu", 0.8, 0.9, worlds)
    buffer = DictRolloutBuffer(steps, space, action_space, "cpu", 0.8, 0.9, worlds)
    rollout.reward.uniform_()
    rollout.value.normal_()
    rollout.terminated.bernoulli_(0.2)
    rollout.truncated.bernoulli_(0.2)
    rows, *_ = rollout.cut_short()
    final_value, last_value = torch.randn(len(rows)), torch.randn(worlds)
    rollout.compute_advantages(last_value, rows, final_value)
    buffer.rewards = rollout.reward.numpy().copy()
    short = (rollout.truncated & ~rollout.terminated).numpy()
    buffer.rewards[short] += 0.9 * final_value.numpy()
    buffer.values = rollout.value.numpy()
    over = rollout.over.numpy()
    buffer.episode_starts[1:] = over[:-1]
    buffer.compute_returns_and_advantage(last_value, over[-1])
    np.testing.assert_allclose(rollout.advantage.numpy(), buffer.advantages, atol=1e-5)
    np.testing.assert_allclose(rollout.target.numpy(), buffer.returns, atol=1e-5)


def test_an_episode_out_of_time_is_worth_the_value_of_its_last_view():
    """One step, one world: A = r + gamma V(final) - V, where a failure has A = r - V."""
    space, action_space = observation_space(0), make_env("go to the red ball").action_space
    for terminated, truncated, expected in (
        (False, True, 0.9 * 5.0 - 2.0),
        (True, False, -2.0),
        (True, True, -2.0),
        (False, False, 0.9 * 7.0 - 2.0),
    ):
        rollout = DeviceRollout(1, space, action_space, "cpu", 0.8, 0.9, 1)
        rollout.value[:] = 2.0
        rollout.terminated[:], rollout.truncated[:] = terminated, truncated
        rows, *_ = rollout.cut_short()
        rollout.compute_advantages(torch.tensor([7.0]), rows, torch.full((len(rows),), 5.0))
        assert float(rollout.advantage) == pytest.approx(expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": STEPS * WORLDS, "n_epochs": 3},
        {"batch_size": 24, "n_epochs": 2, "normalize_advantage": False},
        {"batch_size": 18, "n_epochs": 1, "normalize_advantage": False, "clip_range_vf": 0.05},
    ],
)  # fmt: skip
def test_an_update_is_sb3_s_on_the_same_rollout_and_minibatches(levels, changes, monkeypatch):
    learner = device_ppo(levels, learning_rate=1e-2, **changes)
    rollout = collected(learner)
    stock = PPO(FiLMPolicy, BatchedVecEnv(InstructedWorlds(levels, WORLDS)), learning_rate=1e-2,
                **{**SETTINGS, "batch_size": 24, **changes})  # fmt: skip
    stock.set_logger(Logger(None, []))
    stock.policy.load_state_dict(learner.policy.state_dict())
    stock.rollout_buffer = stock_buffer(learner, rollout)
    # SB3 flattens worlds first: its sample n * STEPS + t is sample t * WORLDS + n here.
    orders = [np.random.default_rng(i).permutation(STEPS * WORLDS) for i in range(3)]
    theirs = iter(orders)
    ours = iter(torch.as_tensor(o % STEPS * WORLDS + o // STEPS) for o in orders)
    monkeypatch.setattr(np.random, "permutation", lambda _: next(theirs))
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: next(ours))
    before = parameters_to_vector(learner.policy.parameters()).clone()
    learner.train()
    stock.train()
    after = [parameters_to_vector(one.policy.parameters()) for one in (learner, stock)]
    torch.testing.assert_close(*after, atol=1e-5, rtol=0)
    assert (after[0] - before).abs().max() > 1e-3
    logged = learner.logger.name_to_value
    assert stock.logger.name_to_value.keys() <= logged.keys()
    for name, value in stock.logger.name_to_value.items():
        # SB3 logs the last epoch's KL, we the mean over the update.
        if name != "train/approx_kl":
            assert logged[name] == pytest.approx(float(value), abs=1e-4), name


@pytest.mark.parametrize(("precision", "rounding"), [("float32", 1e-5), ("bfloat16", 1e-2)])
def test_the_ratio_is_one_on_the_first_minibatch_of_every_update(levels, precision, rounding):
    policy = copy.deepcopy(SMALL)
    policy["features_extractor_kwargs"]["precision"] = getattr(torch, precision)
    learner = device_ppo(levels, learning_rate=1e-2, policy_kwargs=policy)
    real, largest = learner._loss, []

    def loss(batch):
        film = learner._read_for(batch.view.sentence)
        log_prob = learner.policy.think(batch.view, *film, batch.state, batch.start).log_prob
        ratio = (log_prob.gather(2, batch.action[..., None])[..., 0] - batch.old_log_prob).exp()
        largest.append(float((ratio - 1).abs().max().detach()))
        return real(batch)

    learner._loss = loss
    learner.learn(4 * STEPS * WORLDS)
    minibatches = 10 * STEPS * WORLDS // 24
    assert len(largest) == 4 * minibatches
    assert max(largest[::minibatches]) < rounding < max(largest)


@pytest.mark.parametrize("samples", [2, 64])
def test_a_sentence_read_once_gives_every_sample_what_reading_it_for_each_gives(levels, samples):
    """With fewer samples than sentences each sample's sentence is read, else each sentence."""
    learner = device_ppo(levels)
    extractor = learner.policy.features_extractor
    sentence = torch.arange(samples) % len(levels.sentences)
    tokens = learner.env.worlds.tokens
    each = [extractor.read(tokens[[int(index)]]) for index in sentence]
    read, row = learner._read_for(sentence)
    together = take(read, row)
    everything = learner._read_all(tokens)
    for block, (gamma, beta) in enumerate(together):
        expected_gamma = torch.cat([one[block][0] for one in each])
        expected_beta = torch.cat([one[block][1] for one in each])
        torch.testing.assert_close(gamma, expected_gamma)
        torch.testing.assert_close(beta, expected_beta)
        torch.testing.assert_close(everything[block][0][sentence], expected_gamma)


@torch.no_grad()
def test_what_the_device_thinks_is_what_sb3_s_policy_says_of_the_same_arrays(levels):
    learner = device_ppo(levels)
    rollout = collected(learner)
    for step in range(STEPS):
        seen, _ = learner.policy.obs_to_tensor(as_numpy(learner, rollout, step))
        values, log_prob, _ = learner.policy.evaluate_actions(seen, rollout.action[step])
        torch.testing.assert_close(values[:, 0], rollout.value[step])
        torch.testing.assert_close(log_prob, rollout.log_prob[step])


def test_actions_are_sampled_with_their_probabilities():
    torch.manual_seed(0)
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    number = 20_000
    drawn = sample(probabilities.log().expand(number, 5))
    counts = torch.bincount(drawn, minlength=5)
    spread = (number * probabilities * (1 - probabilities)).sqrt()
    assert ((counts - number * probabilities).abs() <= 4 * spread).all()


def test_it_learns_predicts_and_logs_like_sb3_s(levels):
    learner = device_ppo(levels, learning_rate=lambda left: 1e-4 + 1e-3 * left)
    learner.set_logger(Logger(None, []))
    seen = []
    learner.learn(3 * STEPS * WORLDS, lambda local, _: seen.append(np.sum(local["dones"])) or True)
    assert learner.num_timesteps == 3 * STEPS * WORLDS
    assert len(seen) == 3 * STEPS
    assert 0 < learner._episode_num == sum(seen)
    assert len(learner.ep_info_buffer) == min(100, sum(seen))
    assert learner.policy.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    task = dict(episodes=4, deterministic=True)
    assert 0 <= evaluate(learner, SENTENCES[0], **task).overall.success_rate <= 1
    parameters = learner.get_parameters()
    other = device_ppo(levels)
    other.set_parameters(parameters)
    assert evaluate(other, SENTENCES[0], **task) == evaluate(learner, SENTENCES[0], **task)


def test_callbacks_stop_it(levels):
    learner = device_ppo(levels)
    learner.learn(10_000, StopTrainingOnMaxEpisodes(2))
    assert learner.num_timesteps < 10_000


def test_its_zip_is_one_of_stock_ppo(levels, tmp_path):
    learner = device_ppo(levels)
    learner.learn(STEPS * WORLDS)
    learner.save(tmp_path / "model.zip")
    arrays = learner.env.reset()
    for again in (PPO.load(tmp_path / "model.zip"), DevicePPO.load(tmp_path / "model.zip")):
        expected, _ = learner.predict(arrays, deterministic=True)
        assert again.predict(arrays, deterministic=True)[0].tolist() == expected.tolist()


def test_episode_windows_hold_what_monitors_hold(levels):
    """The same actions in worlds of the same seed, counted by hand."""
    learner = device_ppo(levels)
    rollout = collected(learner)
    worlds = BatchedVecEnv(InstructedWorlds(levels, WORLDS, seed=0))  # the learner's
    worlds.reset()
    episodes = []
    for action in rollout.action:
        _, _, dones, infos = worlds.step(action.numpy())
        episodes += [info for info, done in zip(infos, dones, strict=True) if done]
    assert [e["episode"]["l"] for e in episodes] == [e["l"] for e in learner.ep_info_buffer]
    returns = [e["r"] for e in learner.ep_info_buffer]
    assert returns == pytest.approx([e["episode"]["r"] for e in episodes])
    assert [e["is_success"] for e in episodes] == list(learner.ep_success_buffer)


def test_other_worlds_and_policies_are_refused(levels):
    with pytest.raises(UserError, match="expected a BatchedVecEnv"):
        DevicePPO(FiLMPolicy, make_env("go to the red ball"), n_steps=8, batch_size=8).learn(8)
    worlds = BatchedVecEnv(InstructedWorlds(levels, 4))
    with pytest.raises(UserError, match="expected FiLMPolicy"):
        DevicePPO("MultiInputPolicy", worlds, n_steps=8, batch_size=8)


def test_a_number_that_is_not_finite_stops_it_and_what_was_before_is_kept(levels):
    learner = device_ppo(levels)
    real = learner.env.worlds.step

    def step(action):
        outcome = real(action)
        return outcome._replace(reward=outcome.reward * math.nan)

    learner.env.worlds.step = step
    with pytest.raises(FloatingPointError):
        learner.learn(STEPS * WORLDS)
    assert all(part.isfinite().all() for part in learner.before.values())


def test_values_start_from_zero(levels):
    rollout = collected(device_ppo(levels))
    assert not rollout.value.any()
    assert rollout.log_prob.std() > 0  # the actor does not
