"""How often an agent does what it is told, on episodes training never saw."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.task import EVALUATION_SEED, Task
from film_rl.run.errors import UserError

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
    task: Task | str,
    episodes: int = 512,
    *,
    deterministic: bool = False,
    seed: int = EVALUATION_SEED,
    num_envs: int = 64,
) -> Evaluation:
    """Run fresh episodes, seeded seed, seed + 1, ..., and count successes (a positive reward).

    Args:
        agent: any Stable-Baselines3 algorithm trained on `envs.make_env`'s observations.
        task: a level id, a sentence, or a `Task`.
        episodes: how many.
        deterministic: take the likeliest action instead of sampling.
        seed: of the first world, and of the sampled actions.
        num_envs: worlds stepped side by side; figures do not depend on it with argmax actions.

    Raises:
        UserError: the agent was trained on other observations than the task gives.
    """
    if episodes < 1:
        raise UserError(f"episodes = {episodes}; at least 1 is needed for a success rate")
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

    The sampling of actions is seeded by the first seed; the caller's random numbers are left as
    they were.
    """
    waiting = iter(seeds)

    def advance(game: Game, action: int) -> Game | None:
        env, episode, _ = game
        try:
            return env, episode, episode.send(action)
        except StopIteration:
            return _next_game(env, play, waiting)

    with torch.random.fork_rng():
        torch.manual_seed(seeds[0])
        worlds = [task.make() for _ in range(min(num_envs, len(seeds)))]
        games = [game for world in worlds if (game := _next_game(world, play, waiting))]
        while games:
            observations = [observation for _, _, observation in games]
            batch = {k: np.stack([o[k] for o in observations]) for k in observations[0]}
            actions, _ = agent.predict(batch, deterministic=deterministic)
            pairs = zip(games, actions, strict=True)
            games = [after for game, action in pairs if (after := advance(game, int(action)))]
        for world in worlds:
            world.close()


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


def as_task(task: Task | str, agent: BaseAlgorithm) -> Task:
    """The task, with the observations the agent was trained on; UserError where they differ."""
    spaces = getattr(agent.observation_space, "spaces", {})
    if not {"image", "instruction"} <= set(spaces):
        raise UserError(
            f"the agent sees {agent.observation_space}; expected the observations of envs.make_env "
            "(image, instruction and perhaps last_actions)"
        )
    last_actions = spaces["last_actions"].shape[0] if "last_actions" in spaces else 0
    if isinstance(task, str):
        return Task((task,), last_actions=last_actions)
    if task.last_actions != last_actions:
        raise UserError(
            f"the agent was trained with last_actions={last_actions}, the task gives "
            f"{task.last_actions}; make the task with last_actions={last_actions}"
        )
    return task
