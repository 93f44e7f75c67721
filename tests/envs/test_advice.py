"""The bot's advice about what others did."""

import random

import pytest
import torch

from envs import EnvError, make_env
from envs.advice import advise
from envs.bot import Bot, BotError
from envs.demonstrations import Demonstrations, Source, make_demonstrations

SOURCE = Source("BabyAI-PickupLoc-v0", shard=6)


def test_the_bot_would_do_what_it_did(tmp_path):
    make_demonstrations(tmp_path, SOURCE, 6)
    demos = Demonstrations.load(tmp_path)
    advice = advise(SOURCE, demos.seed.tolist(), demos.action, demos.first)
    assert torch.equal(advice.action, demos.action)
    assert advice.given.all()
    assert advice.left_out == {}
    one = torch.tensor([0, len(demos.action)])
    with pytest.raises(EnvError, match="an episode is over after"):
        advise(SOURCE, demos.seed[:1].tolist(), demos.action, one)


def episode(seed, draws):
    """Random actions that end with the episode or when a box has been opened."""
    world = make_env(SOURCE.task[0]).unwrapped
    world.reset(seed=seed)
    taken = []
    while True:
        taken.append(draws.choice((0, 1, 2, 2, 2, 5)))
        box = taken[-1] == 5 and getattr(world.grid.get(*world.front_pos), "type", "") == "box"
        _, _, terminated, truncated, _ = world.step(taken[-1])
        if terminated or truncated:
            return taken, False
        if box:
            return [*taken, 0], True


def test_advice_is_the_bot_s_in_every_state_and_an_opened_box_leaves_the_episode_out():
    draws = random.Random(0)
    episodes = [episode(seed, draws) for seed in range(20)]
    first = torch.tensor([0, *(len(taken) for taken, _ in episodes)]).cumsum(0)
    taken = torch.tensor([action for actions, _ in episodes for action in actions])
    advice = advise(SOURCE, range(20), taken, first)
    boxes = [box for _, box in episodes]
    assert advice.given.tolist() == [not box for box in boxes]
    assert 0 < sum(boxes) < 20
    assert advice.left_out == {"box opened": sum(boxes)}
    for seed, (actions, box) in enumerate(episodes):
        world = make_env(SOURCE.task[0]).unwrapped
        world.reset(seed=seed)
        bot, said = Bot(world), []
        try:
            for last, action in zip([None, *actions], actions, strict=False):
                said.append(bot(last))
                world.step(action)
        except BotError:
            assert box
        else:
            assert said == advice.action[first[seed] : first[seed + 1]].tolist()
