"""BabyAI 1.1's network is the published one, and PPO's first ratio is 1 with its batch norms."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from agents import FiLMPolicy, Task, evaluate
from agents.babyai11 import BabyAIExtractor
from agents.batch_norm import batch_norms
from agents.device_rollout import DeviceRollout, Rewards
from agents.learner import check_numbers, load_agent, make_learner
from agents.training import train
from envs import make_env
from envs.observation import observation_space
from film_rl.run import RunFolder, UserError
from tests.agents.test_pixels import collected

VIEWS = {"symbols": False, "pixels": True}


@pytest.fixture(scope="module")
def config(tiny_tensor):
    return dataclasses.replace(
        tiny_tensor, network="babyai11", last_actions=0, learning_rate=1e-2, steps=128
    )


def policy(pixels=False, **options):
    actions = make_env("go to the red ball").action_space
    return FiLMPolicy(
        observation_space(0, pixels),
        actions,
        lambda _: 1e-4,
        features_extractor_class=BabyAIExtractor,
        features_extractor_kwargs=options,
    )


def published(weights, image, tokens):
    """The model once more, straight from its description, without our layers; evaluation mode."""

    def norm(x, name):
        running = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        return F.batch_norm(x, *running, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def conv(x, name, **options):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **options)

    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    if image.dtype == torch.uint8 and image.shape[-1] == 3 and image.shape[1] == 7:
        rows = image.long() + 147 * torch.arange(3)
        x = F.embedding(rows, weights["stem.cells.embedding.weight"]).sum(3).permute(0, 3, 2, 1)
    else:
        x = conv(image.permute(0, 3, 1, 2) / 255, "stem.cells", stride=8)
    x = F.relu(norm(conv(x, "stem.mix.layers.0", padding=1), "stem.mix.layers.1"))
    x = F.relu(norm(conv(x, "stem.mix.layers.3", padding=1), "stem.mix.layers.4"))
    gru = nn.GRU(*weights["encoder.embedding.weight"].shape[1:] * 2, batch_first=True)
    gru.load_state_dict({k[12:]: v for k, v in weights.items() if k.startswith("encoder.gru.")})
    words = F.embedding(tokens, weights["encoder.embedding.weight"])
    z = torch.stack([gru(row[None, : int((ids > 0).sum())])[0][0, -1] for row, ids in
                     zip(words, tokens, strict=True)])  # fmt: skip
    film = linear(z, "generator.linear").chunk(4, dim=1)
    for block in range(2):
        y = F.relu(norm(conv(x, f"blocks.{block}.conv1", padding=1), f"blocks.{block}.norm1"))
        gamma, beta = (part[:, :, None, None] for part in film[2 * block : 2 * block + 2])
        y = gamma * conv(y, f"blocks.{block}.conv2", padding=1) + beta
        x = x + F.relu(norm(y, f"blocks.{block}.norm2"))
    return F.relu(x.amax((2, 3)))


@torch.no_grad()
@pytest.mark.parametrize("pixels", VIEWS.values(), ids=VIEWS)
def test_the_network_is_the_published_one(pixels):
    space = observation_space(0, pixels)
    extractor = BabyAIExtractor(space, channels=12, sentence_dim=10).eval()
    for norm in batch_norms(extractor):
        for name in ("running_mean", "running_var", "weight", "bias"):
            getattr(norm, name).uniform_(0.5, 1.5)
    space.seed(0)
    seen = [space.sample() for _ in range(4)]
    image = torch.from_numpy(np.stack([one["image"] for one in seen]))
    tokens = torch.randint(1, 33, (4, 72))
    for row, length in zip(tokens, (5, 1, 72, 9), strict=True):
        row[length:] = 0
    expected = published(extractor.network.state_dict(), image, tokens)
    given = image.permute(0, 3, 1, 2) / 255 if pixels else image.float()  # as SB3 does
    found = extractor({"image": given, "instruction": tokens.float()})
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_linear_layers_begin_with_rows_of_length_one_and_nothing_else_does():
    layers = {name: m for name, m in policy().named_modules() if isinstance(m, nn.Linear)}
    assert len(layers) == 5  # the generator, two hidden layers, the actions, the value
    for layer in layers.values():
        torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(layer.out_features))
        assert not layer.bias.any()
    conv = policy().features_extractor.network.blocks[0].conv1
    assert conv.weight.abs().max() <= (128 * 9) ** -0.5  # PyTorch's own


@pytest.mark.parametrize("view", VIEWS)
def test_the_first_ratio_is_one_and_statistics_are_the_rollout_s_through_the_new_weights(
    config, view
):
    learner = make_learner(dataclasses.replace(config, view=view))
    rollout = collected(learner)
    first, real = [], learner._loss
    norms = batch_norms(learner.policy)
    assert len(norms) == 6
    before = norms[0].running_mean.clone()

    def loss(batch):
        assert (norms[0].training is False) == torch.is_grad_enabled()
        found, statistics = real(batch)
        first.append(float(statistics[3]))
        return found, statistics

    learner._loss = loss
    learner.train()
    assert abs(first[0]) < 1e-6 < max(first)
    assert not any(norm.training for norm in norms)
    assert not torch.equal(norms[0].running_mean, before)
    taken = []
    norms[0].register_forward_hook(lambda _module, given, _out: taken.append(given[0]))
    with torch.no_grad():
        rows = torch.arange(config.rollout * config.envs)
        real(rollout.minibatch(rows, rollout.advantage.flatten()))
    torch.testing.assert_close(norms[0].running_mean, taken[0].mean((0, 2, 3)))


def test_training_goes_on_exactly_and_is_what_is_evaluated(config, tmp_path):
    whole = RunFolder.create(tmp_path / "whole", config)
    with whole:
        train(config, whole)
    agent, _ = load_agent(whole, "cpu")
    task = Task.of_config(config)
    minigrid, tensor = (evaluate(agent, task, 6, engine=one) for one in ("minigrid", "tensor"))
    assert minigrid == tensor


def test_rewards_count_as_told():
    """One step, one world, which ends with reward 0.5, or runs out of time; worth 2 before."""
    space, action_space = observation_space(0), make_env("go to the red ball").action_space
    for rewards, terminated, expected in (
        (Rewards(20.0), True, 10.0 - 2.0),
        (Rewards(20.0), False, 10.0 + 0.9 * 5.0 - 2.0),
        (Rewards(20.0, "end"), False, 10.0 - 2.0),
        (Rewards(), False, 0.5 + 0.9 * 5.0 - 2.0),
    ):
        rollout = DeviceRollout(1, space, action_space, "cpu", 0.8, 0.9, 1, rewards=rewards)
        rollout.value[:], rollout.reward[:] = 2.0, 0.5
        rollout.terminated[:], rollout.truncated[:] = terminated, not terminated
        rows = rollout.cut_short()[0]
        rollout.compute_advantages(torch.tensor([7.0]), rows, torch.full((len(rows),), 5.0))
        assert float(rollout.advantage) == pytest.approx(expected)
        assert rollout.last_episodes(1)[1][0][0] == 0.5  # what is logged stays as it was paid


def test_the_learner_s_options_reach_it(config):
    learner = make_learner(
        dataclasses.replace(
            config, learning_rate_end=0.5, value_clip=0.3, value_weight=2.0, reward_scale=20.0,
            normalize_advantage=False, time_limit="end",
        )
    )  # fmt: skip
    assert [learner.lr_schedule(left) for left in (1, 0)] == pytest.approx([1e-2, 5e-3])
    assert (learner.clip_range_vf(1), learner.vf_coef) == (0.3, 2.0)
    assert not learner.normalize_advantage
    assert learner.rollout_buffer.rewards == Rewards(20.0, "end")
    assert make_learner(config).clip_range_vf is None


def test_what_it_is_not_shown_it_refuses(config):
    with pytest.raises(UserError, match="--last-actions 0"):
        BabyAIExtractor(observation_space(4))
    for name, value in (("last_actions", 4), ("conditioning", "gate"), ("blocks", 3)):
        with pytest.raises(UserError, match=rf"{value} with --network babyai11.*type --"):
            check_numbers(dataclasses.replace(config, **{name: value}))
    with pytest.raises(UserError, match=r"--reward-scale 20 .*type --engine tensor"):
        check_numbers(dataclasses.replace(config, engine="sb3", reward_scale=20.0))
