"""minigrid's bot, which gives up where it would think for ever."""

import time
from types import FunctionType

import pytest

from envs import make_env
from envs.bot import SEARCHES, Bot, BotError, Why, patience


def play(task, seed, actions=()):
    """The bot's episode, after some actions of another's; how it ended."""
    world = make_env(task).unwrapped
    world.reset(seed=seed)
    bot, last = Bot(world), None
    for steps in range(world.max_steps):
        advice = bot(last)
        last = actions[steps] if steps < len(actions) else advice
        _, reward, terminated, truncated, _ = world.step(last)
        if terminated or truncated:
            return reward > 0
    raise AssertionError


@pytest.mark.parametrize("task", ["BabyAI-GoToLocal-v0", "BabyAI-PutNextLocal-v0"])
def test_the_bot_succeeds_whatever_was_done_before(task):
    for seed in range(5):
        assert play(task, seed)
        assert play(task, seed, (0, 0, 2, 3, 6, 4))


def test_a_thought_that_searches_for_ever_is_given_up():
    with pytest.raises(BotError) as error:
        play("BabyAI-UnlockToUnlock-v0", 4)
    assert error.value.why == Why.ENDLESS


def test_an_endless_thought_makes_so_many_searches_and_no_more():
    world = make_env("BabyAI-UnlockToUnlock-v0").unwrapped
    world.reset(seed=4)
    bot = Bot(world)
    world.step(bot(None))
    before = bot._bot.bfs_counter
    with pytest.raises(BotError):
        bot(None)
    assert bot._bot.bfs_counter == before + SEARCHES


def test_an_opened_box_and_a_surprise_end_the_bot_s_advice():
    world = make_env("put the red box next to the blue ball", distractors=0).unwrapped
    world.reset(seed=0)
    bot, last = Bot(world), None
    while (last := bot(last)) != world.actions.pickup:
        world.step(last)
    world.step(world.actions.toggle)
    with pytest.raises(BotError) as error:
        bot(world.actions.toggle)
    assert error.value.why == Why.BOX
    with pytest.raises(BotError) as error:
        play("BabyAI-KeyInBox-v0", 0)
    assert error.value.why == Why.AT_A_LOSS


def test_a_thought_of_minigrid_s_is_ended_and_nothing_else_is():
    def endless():
        while True:
            pass

    thought = FunctionType(endless.__code__, {"__name__": "minigrid.utils.bot"})
    with pytest.raises(TimeoutError), patience(0.05):
        thought()
    with patience(0.01):
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
