"""BabyAI 1.1's small and big models have the published sizes, and their memory attends to words."""

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from agents import FiLMPolicy, Task, evaluate
from agents.learner import check_numbers, load_agent, make_learner, policy_options
from agents.presets import PRESETS, babyai11_big, babyai11_small, ours
from agents.subject import agent_subject
from agents.training import train
from agents.video import record_video
from agents.zero_shot import film_of
from envs import make_env
from envs.observation import observation_space
from film_rl import SentenceEncoder
from film_rl.run import RunFolder, UserError
from tests.agents.test_pixels import collected

MEMORY = {"memory": "lstm", "memory_dim": 6, "segment": 4, "sentence": "attention"}


@pytest.fixture(scope="module", params=["ours", "babyai11"])
def config(request, tiny_tensor):
    small = dataclasses.replace(tiny_tensor, steps=128, learning_rate=1e-2, **MEMORY)
    if request.param == "ours":
        return small
    return dataclasses.replace(small, network="babyai11", last_actions=0)


def parameters(config):
    """Of the policy's parts, without making their numbers."""
    with torch.device("meta"):
        policy = FiLMPolicy(
            observation_space(config.last_actions),
            make_env("go to the red ball").action_space,
            lambda _: 1e-4,
            **policy_options(config, torch.float32),
        )
    memory = sum(p.numel() for p in policy.memory.parameters())
    return sum(p.numel() for p in policy.parameters()), memory


def test_the_small_model_has_the_published_parameters():
    total, memory = parameters(babyai11_small())
    assert (total, memory) == (1_270_536, 132_096)  # published: 1.27 M


def test_the_big_model_has_the_published_parameters():
    total, memory = parameters(babyai11_big())
    assert (total, memory) == (20_550_920, 17_842_176)  # published: 20.55 M and 17.84 M


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_can_be_trained(preset):
    config = dataclasses.replace(PRESETS[preset](), level="BabyAI-GoToLocal-v0")
    check_numbers(config)
    assert (config == dataclasses.replace(ours(), level=config.level)) == (preset == "ours")


@torch.no_grad()
def test_attention_is_the_published_one():
    """BabyAI's attgru once more: PyTorch's packed GRU in both directions, one key, softmax."""
    encoder = SentenceEncoder(9, 5, 8, bidirectional=True, asker_dim=12)
    gru = nn.GRU(5, 4, batch_first=True, bidirectional=True)
    weights = dict(encoder.gru.state_dict())
    weights |= {f"{name}_reverse": p for name, p in encoder.backward_gru.state_dict().items()}
    gru.load_state_dict(weights)
    tokens = torch.tensor([[3, 1, 4, 0], [1, 5, 8, 2], [6, 0, 0, 0]])
    asker = torch.randn(3, 12)
    packed = nn.utils.rnn.pack_padded_sequence(
        encoder.embedding(tokens), [3, 4, 1], batch_first=True, enforce_sorted=False
    )
    states, _ = nn.utils.rnn.pad_packed_sequence(gru(packed)[0], batch_first=True)
    score = (F.linear(asker, encoder.key.weight, encoder.key.bias)[:, None] * states).sum(2)
    weight = (score + 1000 * (tokens > 0)).softmax(dim=1)
    expected = (weight[:, :, None] * states).sum(1)
    torch.testing.assert_close(encoder.attend(*encoder.words(tokens), asker), expected)
    nobody = encoder.attend(*encoder.words(tokens), torch.zeros(1, 12))
    torch.testing.assert_close(encoder(tokens), nobody)
    assert not encoder(torch.zeros(1, 4, dtype=torch.long)).any()  # no words, nothing to attend to
    with pytest.raises(ValueError, match="somebody else; leave one of them out"):
        SentenceEncoder(9, 5, 8, attention=True, asker_dim=3)
    with pytest.raises(ValueError, match="give the asker's size"):
        SentenceEncoder(9).attend(states, tokens > 0, asker)


@torch.no_grad()
def test_a_segment_at_once_is_what_predict_s_steps_say_one_by_one(config):
    learner = make_learner(config)
    rollout, policy = collected(learner), learner.policy
    state, differs = policy.fresh(config.envs), False
    for step in range(config.rollout):
        view = type(rollout.view)(*(field[step] for field in rollout.view))
        seen, _ = policy.obs_to_tensor(learner.env.worlds.to_numpy(view))
        thought = policy.look(seen, state, rollout.start[step])
        log_prob = thought.log_prob.gather(1, rollout.action[step][:, None])[:, 0]
        torch.testing.assert_close(log_prob, rollout.log_prob[step], atol=1e-5, rtol=1e-5)
        forgot = policy.look(seen, policy.fresh(config.envs), rollout.start[step])
        differs |= not torch.allclose(forgot.log_prob, thought.log_prob, atol=1e-6)
        state = thought.state
    assert differs


def test_the_first_ratio_is_one_and_the_memory_learns_what_to_ask(config):
    learner = make_learner(config)
    rollout = collected(learner)
    batch = rollout.minibatch(torch.arange(8), rollout.advantage.flatten())
    loss, statistics = learner._loss(batch)
    assert abs(float(statistics[3])) < 1e-6  # the KL divergence
    loss.backward()
    encoder = learner.policy.features_extractor.network.encoder
    assert encoder.key.weight.grad.abs().max() > 0
    assert learner.policy.memory.cell.weight_hh.grad.abs().max() > 0


def test_it_trains_is_loaded_plays_alike_on_both_engines_and_is_filmed(config, tmp_path):
    run = RunFolder.create(tmp_path / "run", config)
    with run:
        train(config, run)
    agent, _ = load_agent(run, "cpu")
    task = Task.of_config(config)
    minigrid, tensor = (evaluate(agent, task, 6, engine=one) for one in ("minigrid", "tensor"))
    assert minigrid == tensor
    assert record_video(agent, task, tmp_path, episodes=1, max_frames=4)["gif"].exists()
    with pytest.raises(UserError, match=r"change from step to step.*--sentence gru"):
        agent_subject(run, episodes=2, examples=1, device="cpu")
    with pytest.raises(UserError, match="--sentence gru"):
        film_of(agent)


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_pixels_and_memory_go_together(tiny_tensor, memory):
    config = dataclasses.replace(tiny_tensor, view="pixels", **{**MEMORY, "memory": memory})
    learner = make_learner(config)
    rollout, policy = collected(learner), learner.policy
    view = type(rollout.view)(*(field[0] for field in rollout.view))
    seen, _ = policy.obs_to_tensor(learner.env.worlds.to_numpy(view))
    with torch.no_grad():
        thought = policy.look(seen, policy.fresh(config.envs), rollout.start[0])
    log_prob = thought.log_prob.gather(1, rollout.action[0][:, None])[:, 0]
    torch.testing.assert_close(log_prob, rollout.log_prob[0], atol=1e-5, rtol=1e-5)


def test_attention_without_what_it_needs_is_refused(config):
    for changes, message in (
        ({"memory": "none"}, "type --memory lstm"),
        ({"sentence_dim": 7}, "type --sentence-dim 8"),
    ):
        with pytest.raises(UserError, match=message):
            check_numbers(dataclasses.replace(config, **changes))
    options = policy_options(config, torch.float32)
    options = {**copy.deepcopy(options), "memory_dim": 5}
    space = observation_space(config.last_actions)
    with pytest.raises(UserError, match="attends_to is 12, and the memory's state has size 10"):
        FiLMPolicy(space, make_env("go to the red ball").action_space, lambda _: 1e-4, **options)
