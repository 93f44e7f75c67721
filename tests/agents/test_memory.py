"""The memory: PyTorch's recurrences with resets, in PPO, in `predict`, and in what uses them."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from torch import nn

from agents import FiLMExtractor, FiLMPolicy, evaluate
from agents.batched_vec_env import BatchedVecEnv
from agents.device_ppo import DevicePPO
from agents.learner import check, load_agent
from agents.memory import Memory
from agents.subject import agent_subject
from agents.task import Task
from agents.training import train
from agents.video import record_video
from envs.batched import LevelBank
from envs.batched.facades import InstructedWorlds, Outcome, View
from envs.observation import observation_space
from film_rl.run import RunFolder, UserError
from tests.agents.test_device_ppo import SMALL, bank, device_ppo
from tests.agents.test_training import final_state
from tests.kill_and_resume import assert_same, kill

KINDS = ("gru", "lstm")
TASK = Task(("go to the red ball", "go to the blue key"), room_size=5, distractors=1)


@pytest.fixture(scope="module")
def levels() -> LevelBank:
    return bank()


def remembering(levels, kind="gru", segment=4, **changes) -> DevicePPO:
    policy = {**copy.deepcopy(SMALL), "memory": kind, "memory_dim": 16}
    return device_ppo(levels, policy_kwargs=policy, segment=segment, **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_within_an_episode_it_is_pytorch_s(kind):
    torch.manual_seed(0)
    memory, x_TBD = Memory(kind, 5, 7), torch.randn(6, 3, 5)
    state_BS = torch.randn(3, memory.state_dim)
    theirs = (nn.GRU if kind == "gru" else nn.LSTM)(5, 7)
    theirs.load_state_dict({f"{n}_l0": p for n, p in memory.cell.state_dict().items()})
    parts = tuple(part[None].contiguous() for part in state_BS.split(7, dim=1))
    expected, last = theirs(x_TBD, parts[0] if kind == "gru" else parts)
    out, state = memory(x_TBD, state_BS, torch.zeros(6, 3, dtype=torch.bool))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(state, torch.cat([*last], dim=-1).view_as(state))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.integers(1, 9), st.integers(1, 4))
def test_a_segment_at_once_is_its_steps_one_by_one_and_an_episode_starts_from_nothing(
    seed, kind, steps, worlds
):
    torch.manual_seed(seed)
    memory = Memory(kind, 3, 4).double()
    x_TBD = torch.randn(steps, worlds, 3, dtype=torch.float64)
    state = before = torch.randn(worlds, memory.state_dim, dtype=torch.float64)
    start_TB = torch.rand(steps, worlds) < 0.3
    together, after = memory(x_TBD, before, start_TB)
    for step in range(steps):
        state = state.where(~start_TB[step, :, None], 0)  # by hand
        out, state = memory(x_TBD[step][None], state, torch.zeros(1, worlds, dtype=torch.bool))
        torch.testing.assert_close(out[0], together[step], rtol=0, atol=1e-14)
    torch.testing.assert_close(state, after, rtol=0, atol=1e-14)
    # What was before an episode's start changes no bit of what comes after.
    begun_TB = start_TB.cumsum(0) > 0
    other = x_TBD.where(begun_TB[:, :, None], torch.randn_like(x_TBD))
    again, _ = memory(other, torch.randn_like(before), start_TB)
    assert torch.equal(again[begun_TB], together[begun_TB])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_flow_through_time_and_not_through_an_episode_s_start(kind):
    torch.manual_seed(0)
    memory, x_TBD = Memory(kind, 3, 4), torch.randn(8, 2, 3, requires_grad=True)
    start_TB = torch.zeros(8, 2, dtype=torch.bool)
    start_TB[5, 1] = True
    state_BS = torch.randn(2, memory.state_dim, requires_grad=True)
    out_TBH, _ = memory(x_TBD, state_BS, start_TB)
    out_TBH[-1].sum().backward()
    reaches_TB = x_TBD.grad.abs().amax(dim=2) > 0
    assert reaches_TB[:, 0].all()
    assert reaches_TB[:, 1].tolist() == [False] * 5 + [True] * 3
    assert (state_BS.grad.abs().amax(dim=1) > 0).tolist() == [True, False]


@pytest.mark.parametrize(
    ("kind", "segment", "precision", "rounding"),
    [
        ("gru", 4, "float32", 1e-5),
        ("lstm", 12, "float32", 1e-5),
        ("lstm", 1, "float32", 1e-5),
        ("gru", 6, "bfloat16", 1e-2),
    ],
)
def test_the_ratio_is_one_on_the_first_minibatch_of_every_update(
    levels, kind, segment, precision, rounding
):
    learner = remembering(levels, kind, segment, learning_rate=1e-2, n_epochs=2)
    learner.policy.features_extractor.precision = getattr(torch, precision)
    real, largest, resets = learner._loss, [], []

    def loss(batch):
        film = learner._read_for(batch.view.sentence)
        log_prob = learner.policy.think(batch.view, *film, batch.state, batch.start).log_prob
        ratio = (log_prob.gather(2, batch.action[..., None])[..., 0] - batch.old_log_prob).exp()
        largest.append(float((ratio - 1).abs().max().detach()))
        resets.append(bool(batch.start[1:].any()))
        return real(batch)

    learner._loss = loss
    steps = learner.n_steps * learner.n_envs
    learner.learn(4 * steps)
    minibatches = 2 * steps // learner.batch_size
    assert len(largest) == 4 * minibatches
    assert max(largest[::minibatches]) < rounding < max(largest)
    assert any(resets) == (segment > 1)  # worlds of these levels end within 25 steps


@torch.no_grad()
def test_a_rollout_is_what_the_policy_says_step_by_step_of_the_same_arrays(levels):
    """With the state that it hands on, across episodes, rollouts, and time that ran out."""
    learner = remembering(levels, "lstm")
    policy, worlds = learner.policy, learner.env.worlds
    policy.value_net.weight.normal_()  # values start from 0
    state, start = policy.fresh(6), torch.ones(6, dtype=torch.bool)
    ran_out = 0
    learner.set_logger(Logger(None, []))
    for number in range(4):  # 48 steps of worlds that end after at most 25
        _, callback = learner._setup_learn(100, reset_num_timesteps=not number)
        callback.on_training_start({}, {})
        rollout = learner.rollout_buffer
        assert learner.collect_rollouts(learner.env, callback, rollout, learner.n_steps)
        for step in range(learner.n_steps):
            torch.testing.assert_close(rollout.start[step], start)
            view = View(*(field[step] for field in rollout.view))
            seen, _ = policy.obs_to_tensor(worlds.to_numpy(view))
            thought = policy.look(seen, state, start)
            torch.testing.assert_close(thought.value, rollout.value[step])
            taken = thought.log_prob.gather(1, rollout.action[step][:, None])[:, 0]
            torch.testing.assert_close(taken, rollout.log_prob[step])
            state, start = thought.state, rollout.over[step]
        rows, final, remembered = rollout.cut_short()
        ran_out += len(rows)
        torch.testing.assert_close(remembered, rollout.state[1:].flatten(0, 1)[rows])
        if len(rows):
            seen, _ = policy.obs_to_tensor(worlds.to_numpy(final))
            worth = policy.look(seen, remembered, torch.zeros_like(rows, dtype=torch.bool)).value
            at_end = rollout.target.flatten()[rows] - rollout.reward.flatten()[rows]
            torch.testing.assert_close(at_end, learner.gamma * worth, atol=1e-5, rtol=1e-5)
    assert ran_out


def test_stopped_within_a_rollout_it_goes_on_from_there(levels):
    learner = remembering(levels)
    learner.learn(10_000, lambda local, _: local["step"] < 6)
    stopped = learner.rollout_buffer.state[7].clone()
    assert stopped.abs().min(dim=1).values.all()
    learner.learn(6 * 12, reset_num_timesteps=False)
    torch.testing.assert_close(learner.rollout_buffer.state[0], stopped)


class CueWorlds:
    """Only memory solves it: what to do at the last of an episode's steps is shown at its first."""

    STEPS, CUES = 4, 2

    def __init__(self, number: int):
        self.num_envs, self.device, self.seed = number, torch.device("cpu"), 0
        self.render_mode = None
        self.observation_space = observation_space(0)
        self.action_space = InstructedWorlds(bank(1), 1).action_space
        self.tokens = torch.tensor([[1, 2]])
        self.reset(0)

    def reset(self, seed: int) -> None:
        self.draws = torch.Generator().manual_seed(seed)
        # Out of step with one another, so that episodes begin anywhere in a segment.
        self.step_N = torch.arange(self.num_envs) % self.STEPS
        self.cue_N = torch.randint(self.CUES, (self.num_envs,), generator=self.draws)
        self._look()

    def step(self, action: torch.Tensor) -> Outcome:
        over = self.step_N == self.STEPS - 1
        reward = (over & (action == self.cue_N)).double()
        final, length = self.view, self.step_N + 1
        new = torch.randint(self.CUES, (self.num_envs,), generator=self.draws)
        self.cue_N = torch.where(over, new, self.cue_N)
        self.step_N = torch.where(over, 0, self.step_N + 1)
        self._look()
        return Outcome(self.view, reward, over, torch.zeros_like(over), final, length)

    def to_numpy(self, view: View) -> dict[str, np.ndarray]:
        words = np.zeros((self.num_envs, *self.observation_space["instruction"].shape), np.int64)
        words[:, :2] = self.tokens.numpy()
        return {"image": view.image.numpy().copy(), "instruction": words}

    def _look(self) -> None:
        image = torch.zeros(self.num_envs, 7, 7, 3, dtype=torch.uint8)
        image[:, 3, 6, 0] = torch.where(self.step_N == 0, self.cue_N + 1, 0)
        image[:, 3, 5, 1] = self.step_N
        none = torch.zeros(self.num_envs, dtype=torch.int64)
        self.view = View(image, none, torch.zeros(self.num_envs, 0, dtype=torch.uint8))


def success(kind: str) -> float:
    """Of the last hundred episodes of a short training."""
    learner = DevicePPO(
        FiLMPolicy,
        BatchedVecEnv(CueWorlds(64)),
        n_steps=10,
        batch_size=320,
        learning_rate=1e-2,
        ent_coef=0.01,
        vf_coef=1.0,
        n_epochs=2,
        gamma=0.9,
        seed=0,
        device="cpu",
        policy_kwargs={
            "features_extractor_kwargs": {**SMALL["features_extractor_kwargs"], "blocks": 1},
            "memory": kind,
            "memory_dim": 32,
        },
    )
    learner.learn(25_600)
    return float(np.mean(learner.ep_success_buffer))


def test_what_only_memory_solves_is_learned_with_memory_and_not_without():
    assert success("gru") > 0.9
    assert success("none") < 0.7  # 1 / CUES, and luck


@pytest.fixture(scope="module")
def config(tiny_tensor):
    """A run with memory that trains in a second."""
    return dataclasses.replace(tiny_tensor, memory="lstm", memory_dim=8, segment=8)


@pytest.fixture(scope="module")
def trained_run(config, tmp_path_factory):
    """A run of it that was never interrupted, and its learner."""
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "whole", config)
    with run:
        learner, _ = train(config, run)
    return run, learner


def test_a_killed_run_with_memory_ends_bit_for_bit_like_one_never_killed(
    config, trained_run, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", config)
    kill(train, run, config, "torch.optim:Adam.step", 17)
    with run:
        train(config, run)
    assert_same(final_state(run), final_state(trained_run[0]))


def test_its_agent_is_loaded_and_plays_the_same_episodes_on_either_engine(trained_run):
    run, learner = trained_run
    agent, config = load_agent(run)
    task, options = Task.of_config(config), dict(episodes=9, num_envs=4)
    expected = evaluate(learner, task, **options)
    assert evaluate(agent, task, **options) == expected
    assert evaluate(agent, task, **options, engine="tensor") == expected


def test_each_world_has_a_memory_of_its_own_whoever_runs_beside(levels):
    """Argmax episodes do not depend on the worlds beside, though these end at other times."""
    agent = remembering(levels, "gru")
    torch.manual_seed(3)  # with many another what it does comes to the same if it forgets
    torch.nn.init.normal_(agent.policy.action_net.weight, std=3)  # else nearly no action but one
    task = Task(TASK.names, room_size=6, distractors=2)
    options = dict(episodes=24, deterministic=True, engine="tensor")
    alone = evaluate(agent, task, **options, num_envs=1)
    assert alone == evaluate(agent, task, **options, num_envs=7)
    agent.policy.recall = lambda _state, worlds: agent.policy.fresh(worlds)  # it forgets
    assert alone != evaluate(agent, task, **options, num_envs=7)


@pytest.mark.parametrize("kind", KINDS)
def test_predict_is_sb3_contrib_s_and_its_recurrent_ppo_works_with_the_extractor(levels, kind):
    ours = remembering(levels, kind)
    theirs = RecurrentPPO(
        "MultiInputLstmPolicy",
        BatchedVecEnv(InstructedWorlds(levels, 6)),
        n_steps=4,
        batch_size=12,
        n_epochs=1,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": FiLMExtractor,
            **SMALL,
            "lstm_hidden_size": 16,
            "net_arch": [],
        },
    )
    theirs.learn(48)
    seen = ours.env.reset()
    answers = []
    for agent in (ours, theirs):
        action, state = agent.predict(seen)
        assert action.shape == (6,)
        action, state = agent.predict(seen, state, np.array([True, False] * 3), deterministic=True)
        one = {name: part[0] for name, part in seen.items()}
        alone, alone_state = agent.predict(one)
        answers.append([(part.shape, part.dtype) for part in (*state, *alone_state)])
        assert np.shape(alone) == ()
        assert agent.policy.action_space.contains(alone)
        assert 0 <= evaluate(agent, TASK, 3).overall.success_rate <= 1
    mine, hers = answers
    assert mine == (hers if kind == "lstm" else hers[::2])


def test_predict_starts_anew_where_an_episode_does(levels):
    agent = remembering(levels, "lstm")
    seen = agent.env.reset()
    _, state = agent.predict(seen)
    start = np.array([True, False] * 3)
    _, mixed = agent.predict(seen, state, start)
    _, fresh = agent.predict(seen)
    _, going_on = agent.predict(seen, state)
    for part, new, old in zip(mixed, fresh, going_on, strict=True):
        np.testing.assert_allclose(part[0, start], new[0, start])
        np.testing.assert_allclose(part[0, ~start], old[0, ~start])
        assert not np.allclose(new, old)


def test_its_zip_is_one_of_stock_ppo_that_predicts(levels, tmp_path):
    learner = remembering(levels, "gru")
    learner.learn(72)
    learner.save(tmp_path / "model.zip")
    seen = learner.env.reset()
    _, state = learner.predict(seen, deterministic=True)
    for again in (PPO.load(tmp_path / "model.zip"), DevicePPO.load(tmp_path / "model.zip")):
        _, other = again.predict(seen, deterministic=True)
        np.testing.assert_array_equal(other, state)


def test_it_can_be_filmed_and_looked_at(config, trained_run, tmp_path):
    run, learner = trained_run
    paths = record_video(learner, Task.of_config(config), tmp_path, episodes=1, max_frames=3)
    assert all(path.stat().st_size for path in paths.values())
    subject = agent_subject(run, episodes=4, examples=2, device="cpu")
    assert subject.measure() == subject.measure()
    assert subject.scores([0, 1], subject.shown).shape == (2, 7)


def test_stock_ppo_is_told_that_it_has_no_memory(levels):
    worlds = BatchedVecEnv(InstructedWorlds(levels, 6))
    stock = PPO(FiLMPolicy, worlds, n_steps=4, batch_size=8, device="cpu",
                policy_kwargs={**SMALL, "memory": "gru"})  # fmt: skip
    with pytest.raises(UserError, match="train it with DevicePPO"):
        stock.learn(24)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segment": 5}, "--segment 5 does not divide --rollout 16; type --segment 1"),
        ({"segment": 16, "batch_size": 8}, "--batch-size 8 is not .*; type --batch-size 16"),
        ({"segment": 0}, "--segment 0: expected 1 to"),
        ({"memory_dim": 0}, "--memory-dim 0: expected 1 to"),
        ({"engine": "sb3"}, "--memory lstm: stock PPO .* type --engine tensor"),
    ],
)
def test_a_memory_that_cannot_work_is_refused(change, message, config):
    with pytest.raises(UserError, match=message):
        check(dataclasses.replace(config, **change))


def test_wrong_segments_and_an_unknown_memory_are_refused_in_python_too(levels):
    with pytest.raises(UserError, match="--segment 5 does not divide --rollout 12"):
        remembering(levels, segment=5)
    with pytest.raises(ValueError, match="memory='rnn'"):
        Memory("rnn", 3, 4)
