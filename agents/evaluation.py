"""How often an agent does what it is told, on episodes training never saw."""

import copy
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.task import EVALUATION_SEED, Task, TaskLike, as_task
from film_rl.run import UserError, separate_rng

Observation = dict[str, np.ndarray]
World = Any  # an environment of envs.make_env
Steps = Generator[Observation, int, None]
"""An episode under way: it yields observations and is sent the agent's actions."""
Play = Callable[[World, int], Steps]
Game = tuple[World, Steps, Observation]


@dataclass(frozen=True)
class Score:
    """Success over some episodes, with its 95% Wilson interval, and mean steps an episode."""

    success_rate: float
    success_ci95: tuple[float, float]
    mean_steps: float
    episodes: int


@dataclass(frozen=True)
class Evaluation:
    """The score over all episodes and for each instruction; actions sampled or argmax."""

    actions: str
    overall: Score
    per_instruction: dict[str, Score]

    def to_json(self) -> dict[str, Any]:
        """As plain dicts and lists."""
        return asdict(self)


@dataclass(frozen=True)
class Episode:
    """What one episode came to."""

    instruction: str
    success: bool
    steps: int


def evaluate(
    agent: BaseAlgorithm,
    task: TaskLike,
    episodes: int = 512,
    *,
    deterministic: bool = False,
    seed: int = EVALUATION_SEED,
    num_envs: int = 64,
) -> Evaluation:
    """Run fresh episodes, seeded seed, seed + 1, ..., and count successes (a positive reward).

    Args:
        agent: any Stable-Baselines3 algorithm trained on `envs.make_env`'s observations.
        task: a level id, one or several sentences, or a `Task`.
        episodes: how many.
        deterministic: take the likeliest action instead of sampling.
        seed: of the first world, and of the sampled actions.
        num_envs: worlds stepped side by side; figures do not depend on it with argmax actions.

    Raises:
        UserError: the agent was trained on other observations than the task gives.
    """
    if episodes < 1 or num_envs < 1:
        raise UserError(f"episodes = {episodes}, num_envs = {num_envs}; at least 1 each is needed")
    task = as_task(task, agent)
    done: list[Episode] = []

    def play(env: World, world_seed: int) -> Steps:
        observation, _ = env.reset(seed=world_seed)
        instruction = env.unwrapped.mission
        for steps in itertools.count(1):
            action = yield observation
            observation, reward, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                done.append(Episode(instruction, float(reward) > 0, steps))
                return

    run_episodes(agent, task, play, range(seed, seed + episodes), deterministic, num_envs)
    by_instruction: dict[str, list[Episode]] = defaultdict(list)
    for episode in done:
        by_instruction[episode.instruction].append(episode)
    return Evaluation(
        actions="argmax" if deterministic else "sampled",
        overall=score(done),
        per_instruction={name: score(some) for name, some in sorted(by_instruction.items())},
    )


def run_episodes(
    agent: BaseAlgorithm,
    task: Task,
    play: Play,
    seeds: range,
    deterministic: bool,
    num_envs: int,
) -> None:
    """Run one `play(env, seed)` a seed, `num_envs` side by side, with actions from the agent.

    Actions are sampled from the first seed; the caller's random numbers are left as they were.
    """
    waiting = iter(seeds)

    def advance(game: Game, action: int) -> Game | None:
        env, episode, _ = game
        try:
            return env, episode, episode.send(action)
        except StopIteration:
            return _next_game(env, play, waiting)

    with sampling_from(seeds[0], agent), ExitStack() as open_worlds:
        worlds = [task.make() for _ in range(min(num_envs, len(seeds)))]
        for world in worlds:
            open_worlds.callback(world.close)
        games = [game for world in worlds if (game := _next_game(world, play, waiting))]
        while games:
            observations = [observation for _, _, observation in games]
            batch = {k: np.stack([o[k] for o in observations]) for k in observations[0]}
            actions, _ = agent.predict(batch, deterministic=deterministic)
            pairs = zip(games, actions, strict=True)
            games = [after for game, action in pairs if (after := advance(game, int(action)))]


@contextmanager
def sampling_from(seed: int, agent: BaseAlgorithm) -> Iterator[None]:
    """Inside it the agent's random actions start from `seed`; nothing is changed afterwards."""
    actions = getattr(agent, "action_space", None)
    with separate_rng(seed):
        agent.action_space = copy.deepcopy(actions)  # DQN explores with its own generator
        if actions is not None:
            agent.action_space.seed(seed)
        try:
            yield
        finally:
            agent.action_space = actions


def _next_game(env: World, play: Play, waiting: Iterator[int]) -> Game | None:
    """The next episode in this world, at its first observation; None when no seed is left."""
    for seed in waiting:
        episode = play(env, seed)
        for observation in episode:  # an episode may end before its first action
            return env, episode, observation
    return None


def score(episodes: list[Episode]) -> Score:
    """Success rate, its interval and the mean number of steps."""
    successes = sum(episode.success for episode in episodes)
    return Score(
        success_rate=successes / len(episodes),
        success_ci95=wilson_interval(successes, len(episodes)),
        mean_steps=sum(episode.steps for episode in episodes) / len(episodes),
        episodes=len(episodes),
    )


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval for a proportion, 95% by default (Wilson 1927).

    centre = (p + z^2 / 2n) / (1 + z^2 / n), half-width = z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n).
    With no trials nothing is known: (0, 1).
    """
    if trials == 0:
        return 0.0, 1.0
    p, shrink = successes / trials, 1 + z**2 / trials
    centre = (p + z**2 / (2 * trials)) / shrink
    half = z * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)
