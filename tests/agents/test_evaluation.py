import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.core.actions import Actions
from minigrid.utils.baby_ai_bot import BabyAIBot
from stable_baselines3 import A2C, DQN, PPO

from agents import FiLMExtractor, FiLMPolicy, Task, evaluate, language_control
from agents.control import _others
from agents.evaluation import Episode, on_minigrid, on_tensors, score, wilson_interval
from agents.task import EVALUATION_SEED
from envs import WORDS, expand, make_env, parse_instruction
from envs.verifier import to_minigrid
from film_rl.run import UserError

TASK = Task(("go to the {color} {object}",), room_size=6, distractors=3)


class Puppet:
    """An agent whose actions are computed from the worlds instead of learned.

    `evaluate` makes its own worlds, so the puppet meets them in `Task.make`.
    """

    def __init__(self, task: Task, choose):
        self.worlds = []
        self.choose = choose
        self.observation_space = task.make().observation_space

    def task(self, task: Task) -> Task:
        puppet = self

        class Watched(Task):
            def make(self, render_mode=None):
                puppet.worlds.append(super().make(render_mode))
                return puppet.worlds[-1]

        return Watched(**vars(task))

    def predict(self, observations, state=None, episode_start=None, deterministic=False):
        return np.array(
            [
                self.choose(world, {k: v[i] for k, v in observations.items()})
                for i, world in enumerate(self.worlds)
            ]
        ), None


def sentence(observation) -> str:
    return " ".join(WORDS[i - 1] for i in observation["instruction"] if i)


class Walker:
    """Walks to the object of the sentence it reads, led by minigrid's bot."""

    def target(self, world, observation):
        return parse_instruction(sentence(observation)).target

    def __call__(self, world, observation) -> int:
        level = world.unwrapped
        if level.step_count == 0:
            target = self.target(world, observation)
            level.instrs = to_minigrid(parse_instruction(f"go to {target}"))
            level.instrs.surface(level)
            level.instrs.reset_verifier(level)
            self.bot, self.action = BabyAIBot(level), None
        self.action = self.bot.replan(self.action)
        return int(self.action)


class HabitualWalker(Walker):
    """Has not noticed that the sentence was replaced."""

    def target(self, world, observation):
        return parse_instruction(world.unwrapped.mission).target


def one_at_a_time(agent: Puppet, measure, episodes: int = 12):
    """With one world, the puppet's worlds and the evaluation's games are the same list."""
    return measure(agent, agent.task(TASK), episodes, num_envs=1)


def test_an_agent_that_always_does_it_scores_one():
    result = one_at_a_time(Puppet(TASK, Walker()), evaluate)
    assert result.overall.success_rate == 1
    assert result.overall.episodes == 12
    assert sum(one.episodes for one in result.per_instruction.values()) == 12


def test_an_agent_that_does_nothing_scores_zero_and_takes_all_the_time():
    result = one_at_a_time(Puppet(TASK, lambda *_: Actions.done), evaluate)
    assert result.overall.success_rate == 0
    assert result.overall.mean_steps == 36  # max_steps of one 6x6 room


def test_the_control_tells_who_follows_the_sentence_from_who_follows_habit():
    follower = one_at_a_time(Puppet(TASK, Walker()), language_control)
    assert follower.named_rate == 1
    assert follower.named_first + follower.skipped == 12
    assert follower.named_first > 6
    ignorant = one_at_a_time(Puppet(TASK, HabitualWalker()), language_control)
    # Now and then the named object stands in the way of the old one and is faced first.
    assert ignorant.named_rate < 0.3


def test_the_control_has_nothing_to_say_where_no_other_sentence_exists():
    task = Task(("go to the red ball",))
    agent = Puppet(task, Walker())
    result = language_control(agent, agent.task(task), 5)
    assert result.skipped == 5
    assert result.named_rate is None
    assert result.named_ci95 == (0, 1)


@pytest.mark.parametrize(
    "task",
    ["BabyAI-GoTo-v0", "BabyAI-PickupDist-v0", "BabyAI-GoToDoor-v0", "go to the {object}",
     "pick up the red object", "go to the {color} object"],
)  # fmt: skip
def test_a_swapped_sentence_is_true_of_another_thing_in_the_agent_s_room(task):
    level = task.startswith("BabyAI")
    env = make_env(task) if level else make_env(task, distractors=0)
    known = None if level else [parse_instruction(one) for one in expand(task)]
    for seed in range(20):
        env.reset(seed=seed)
        world = env.unwrapped
        old = to_minigrid(parse_instruction(world.mission))
        old.surface(world)
        for other in _others(world, parse_instruction(world.mission), known):
            swapped = to_minigrid(other)
            assert swapped.surface(world) == str(other)  # minigrid finds it true as well
            assert not set(map(id, old.desc.obj_set)) & set(map(id, swapped.desc.obj_set))
            room = world.room_from_pos(*world.agent_pos)
            assert any(room.pos_inside(*thing.cur_pos) for thing in swapped.desc.obj_set)


def test_sentences_without_a_colour_have_a_control_too():
    task = Task(("go to the {object}",), room_size=6, distractors=2)
    agent = Puppet(task, Walker())
    assert language_control(agent, agent.task(task), 16, num_envs=1).named_first > 2


@pytest.fixture(scope="module")
def untrained() -> PPO:
    return PPO(FiLMPolicy, make_env("go to the red ball"), n_steps=8, batch_size=8, seed=0)


def test_an_evaluation_repeats_exactly_and_leaves_the_random_numbers_alone(untrained):
    state = torch.get_rng_state()
    first = evaluate(untrained, "go to the red ball", 10)
    assert torch.equal(torch.get_rng_state(), state)
    assert evaluate(untrained, "go to the red ball", 10) == first


def test_agents_that_explore_by_numpy_repeat_exactly_too():
    env = make_env("go to the red ball")
    film = {"features_extractor_class": FiLMExtractor}
    agent = DQN("MultiInputPolicy", env, policy_kwargs=film, buffer_size=10, seed=0)
    state = np.random.get_state()[1].tolist()
    first = evaluate(agent, "go to the red ball", 6, deterministic=False)
    assert evaluate(agent, "go to the red ball", 6, deterministic=False) == first
    assert np.random.get_state()[1].tolist() == state


@pytest.mark.parametrize(
    "task",
    [
        "go to the red ball",
        ("go to the red ball", "go to the blue key"),
        ["go to the red ball"],
        Task("go to the red ball"),
        Task(["go to the red ball"]),
        "BabyAI-GoToObj-v0",
    ],
)
def test_a_task_can_be_given_as_make_env_takes_it(untrained, task):
    assert evaluate(untrained, task, 2).overall.episodes == 2


def test_argmax_figures_do_not_depend_on_how_many_worlds_run_side_by_side(untrained):
    results = [
        evaluate(untrained, TASK, 7, deterministic=True, num_envs=n).overall for n in (1, 3, 64)
    ]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize(
    "name",
    ["BabyAI-GoToLocal-v0", "BabyAI-OneRoomS8-v0", "BabyAI-MiniBossLevel-v0", "pick up a key"],
)
def test_worlds_on_tensors_play_the_very_same_episodes(untrained, name, deterministic):
    seeds, task = range(7, 15), Task(name)
    # Two rounds; the second has fewer episodes than worlds.
    expected = on_minigrid(untrained, task, seeds, deterministic, num_envs=5)
    assert on_tensors(untrained, task, seeds, deterministic, num_envs=5) == expected
    assert len(expected) == 8
    assert any(not episode.success for episode in expected)  # some are cut


def test_levels_that_nobody_can_solve_are_counted_apart_and_not_played(untrained):
    """The bot never finds an end on seed 6: the key is behind the door that it opens."""
    task, level = Task("BabyAI-GoToImpUnlock-v0"), "BabyAI-GoToImpUnlock-v0"
    expected = on_minigrid(untrained, task, range(5, 8), True, num_envs=2)
    assert on_tensors(untrained, task, range(5, 8), True, num_envs=2) == expected
    assert [episode.solvable for episode in expected] == [False, True, True]
    assert expected[0].steps == 0
    for engine in ("minigrid", "tensor"):
        result = evaluate(untrained, level, 2, seed=6, deterministic=True, engine=engine)
        assert (result.overall.episodes, result.unsolvable) == (1, 1)
        assert sum(one.episodes for one in result.per_instruction.values()) == 1
        with pytest.raises(UserError, match="none of the 1 levels can be solved"):
            evaluate(untrained, level, 1, seed=6, engine=engine)
    assert evaluate(untrained, "go to the red ball", 1).unsolvable == 0


def test_an_evaluation_is_the_same_on_either_engine(untrained):
    results = [evaluate(untrained, TASK, 48, engine=engine) for engine in ("minigrid", "tensor")]
    assert results[0] == results[1]
    assert 0 < results[0].overall.success_rate < 1


def test_an_engine_that_does_not_exist_is_refused(untrained):
    with pytest.raises(ValueError, match=r"engine='tensors' is unknown.*did you mean 'tensor'"):
        evaluate(untrained, TASK, 1, engine="tensors")


@pytest.mark.parametrize("last_actions", [0, 1])
def test_they_do_so_with_any_number_of_last_actions(last_actions):
    env = make_env("go to the red ball", last_actions=last_actions)
    agent = PPO(FiLMPolicy, env, n_steps=8, batch_size=8, seed=1)
    task, seeds = Task("BabyAI-GoToObj-v0", last_actions=last_actions), range(6)
    expected = on_minigrid(agent, task, seeds, False, num_envs=6)
    assert on_tensors(agent, task, seeds, False, num_envs=6) == expected


def test_evaluation_worlds_are_none_that_training_is_seeded_with(untrained):
    shown = []

    class Spy(Task):
        def make(self, render_mode=None):
            env = super().make(render_mode)
            real = env.reset
            env.reset = lambda **kwargs: shown.append(kwargs["seed"]) or real(**kwargs)
            return env

    evaluate(untrained, Spy(("go to the red ball",)), 6)
    assert sorted(shown) == list(range(EVALUATION_SEED, EVALUATION_SEED + 6))


def test_observations_of_another_kind_are_refused(untrained):
    with pytest.raises(UserError, match=r"last_actions=4.*last_actions=0|make the task with"):
        evaluate(untrained, Task(("go to the red ball",), last_actions=0), 2)
    with pytest.raises(UserError, match="at least 1"):
        evaluate(untrained, "go to the red ball", 0)
    with pytest.raises(UserError, match="at least 1"):
        evaluate(untrained, "go to the red ball", 2, num_envs=0)
    cartpole = PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8)
    with pytest.raises(UserError, match=r"envs\.make_env"):
        evaluate(cartpole, "go to the red ball", 2)


@pytest.mark.parametrize("last_actions", [0, 4])
def test_stock_algorithms_learn_with_it_in_three_lines(last_actions):
    env = make_env("go to the red ball", room_size=5, distractors=1, last_actions=last_actions)
    small = {"buffer_size": 100, "learning_starts": 8}
    film = {"features_extractor_class": FiLMExtractor}
    for agent in (
        PPO(FiLMPolicy, env, n_steps=8, batch_size=8, seed=0),
        A2C(FiLMPolicy, env, seed=0),
        DQN("MultiInputPolicy", env, policy_kwargs=film, **small),
    ):
        before = {k: v.clone() for k, v in agent.policy.state_dict().items()}
        agent.learn(256)  # values start from 0: until something was paid there is nothing to learn
        after = agent.policy.state_dict()
        assert any(not torch.equal(before[k], after[k]) for k in before if "generator" in k)
        assert 0 <= evaluate(agent, "go to the red ball", 2).overall.success_rate <= 1


def test_features_of_a_sentence_do_not_depend_on_the_rest_of_the_batch(untrained):
    envs = [make_env(s) for s in ("go to the red ball", "pick up the key", "open the blue door")]
    observations = [env.reset(seed=i)[0] for i, env in enumerate(envs)]
    batch = {
        k: torch.as_tensor(np.stack([o[k] for o in observations])).float() for k in observations[0]
    }
    together = untrained.policy.features_extractor(batch)
    for index in range(3):
        alone = untrained.policy.features_extractor({k: v[[index]] for k, v in batch.items()})
        assert torch.allclose(alone[0], together[index], atol=1e-5)


def test_bfloat16_features_are_close_and_come_back_as_float32():
    env = make_env("go to the red ball")
    torch.manual_seed(0)
    exact = FiLMExtractor(env.observation_space)
    rough = FiLMExtractor(env.observation_space, precision=torch.bfloat16)
    rough.load_state_dict(exact.state_dict())
    observation = {k: torch.as_tensor(v[None]).float() for k, v in env.reset(seed=0)[0].items()}
    a, b = exact(observation), rough(observation)
    assert b.dtype == torch.float32
    assert (a - b).norm() / a.norm() < 0.02


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_s_interval_is_where_the_score_test_rejects(pair):
    """Its ends are the rates p0 with |p - p0| = z sqrt(p0 (1 - p0) / n), found by bisection."""
    successes, trials = pair
    z = 1.959964
    p = float(Fraction(successes, trials))

    def excess(p0: float) -> float:
        return abs(p - p0) - z * math.sqrt(p0 * (1 - p0) / trials)

    def edge(inside: float, outside: float) -> float:
        for _ in range(80):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if excess(middle) > 0 else (middle, outside)
        return inside

    low, high = wilson_interval(successes, trials)
    assert low == pytest.approx(edge(p, 0.0), abs=1e-9)
    assert high == pytest.approx(edge(p, 1.0), abs=1e-9)


def test_a_score_counts_and_averages():
    result = score([Episode("a", True, 3), Episode("a", False, 5)])
    assert (result.success_rate, result.mean_steps, result.episodes) == (0.5, 4.0, 2)
