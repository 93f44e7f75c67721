"""How often an agent does what it is told, on episodes training never saw."""

import copy
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.policy import Arrays
from agents.task import EVALUATION_SEED, Task, TaskLike, as_task
from envs.batched import BatchedBabyAI, LevelBank, TileAtlas
from envs.batched.pack import pack
from envs.observation import SYMBOLS
from film_rl.errors import check_choice
from film_rl.run import UserError, separate_rng

Observation = dict[str, np.ndarray]
World = Any  # an environment of envs.make_env
Steps = Generator[Observation, int, None]
"""An episode under way: it yields observations and is sent the agent's actions."""
Play = Callable[[World, int], Steps]
Act = Callable[[Observation, np.ndarray], np.ndarray]
Game = tuple[int, Steps, Observation]
Engine = Literal["minigrid", "tensor"]
SIDE_BY_SIDE = 512


@dataclass(frozen=True)
class Score:
    """Success over some episodes, with its 95% Wilson interval, and mean steps an episode."""

    success_rate: float
    success_ci95: tuple[float, float]
    mean_steps: float
    episodes: int


@dataclass(frozen=True)
class Evaluation:
    """The score over all episodes and for each instruction; actions sampled or argmax.

    `unsolvable` counts the levels that are proven to have no solution (`envs.batched.reach`). They
    are not played and are in no score, so that 99% means 99% of what can be done.
    """

    actions: str
    overall: Score
    per_instruction: dict[str, Score]
    unsolvable: int

    def to_json(self) -> dict[str, Any]:
        """As plain dicts and lists."""
        return asdict(self)


@dataclass(frozen=True)
class Episode:
    """What one episode came to; nothing where its level is proven to have no solution."""

    instruction: str
    success: bool
    steps: int
    solvable: bool = True

    @classmethod
    def of_unsolvable(cls, instruction: str) -> "Episode":
        """One that is not played."""
        return cls(instruction, success=False, steps=0, solvable=False)


class Acting:
    """An agent in many worlds side by side, which remembers what it saw in each.

    Called with what running worlds show and which they are, it returns their actions. All worlds
    of the first call begin an episode; those that end drop out, and none comes back.
    """

    def __init__(self, agent: BaseAlgorithm, deterministic: bool):
        self.agent, self.deterministic = agent, deterministic
        self.state: Arrays | None = None
        self.running = np.zeros(0)

    def __call__(self, shown: Observation, running: np.ndarray) -> np.ndarray:
        """The actions of the running worlds."""
        start = np.full(len(running), self.state is None)
        if self.state is not None:
            going_on = np.isin(self.running, running)
            self.state = tuple(part[:, going_on] for part in self.state)
        self.running = running
        action, self.state = self.agent.predict(shown, self.state, start, self.deterministic)
        return action


def evaluate(
    agent: BaseAlgorithm,
    task: TaskLike,
    episodes: int = 512,
    *,
    deterministic: bool = False,
    seed: int = EVALUATION_SEED,
    num_envs: int = SIDE_BY_SIDE,
    engine: Engine = "minigrid",
) -> Evaluation:
    """Run fresh episodes, seeded seed, seed + 1, ..., and count successes (a positive reward).

    Args:
        agent: any Stable-Baselines3 algorithm trained on `envs.make_env`'s observations.
        task: a level id, one or several sentences, or a `Task`.
        episodes: how many levels; those that nobody can solve are counted, not played.
        deterministic: take the likeliest action instead of sampling.
        seed: of the first world, and of the sampled actions.
        num_envs: worlds stepped side by side; figures do not depend on it with argmax actions.
        engine: what steps the worlds; the episodes are the same, those of "tensor" sooner over.

    Raises:
        UserError: the agent was trained on other observations than the task gives, or none of the
            levels can be solved.
        ValueError: no engine has this name.
    """
    check_choice("engine", engine, get_args(Engine))
    if episodes < 1 or num_envs < 1:
        raise UserError(f"episodes = {episodes}, num_envs = {num_envs}; at least 1 each is needed")
    task = as_task(task, agent)
    play_all = on_tensors if engine == "tensor" else on_minigrid
    levels = play_all(agent, task, range(seed, seed + episodes), deterministic, num_envs)
    done = [episode for episode in levels if episode.solvable]
    if not done:
        raise UserError(f"none of the {episodes} levels can be solved; type more episodes")
    by_instruction: dict[str, list[Episode]] = defaultdict(list)
    for episode in done:
        by_instruction[episode.instruction].append(episode)
    return Evaluation(
        actions="argmax" if deterministic else "sampled",
        overall=score(done),
        per_instruction={name: score(some) for name, some in sorted(by_instruction.items())},
        unsolvable=len(levels) - len(done),
    )


def on_minigrid(
    agent: BaseAlgorithm, task: Task, seeds: range, deterministic: bool, num_envs: int
) -> list[Episode]:
    """The episodes of these seeds, stepped by minigrid; in rounds, those that end first, first."""
    done: list[Episode] = []

    def play(env: World, world_seed: int) -> Steps:
        observation, _ = env.reset(seed=world_seed)
        instruction = env.unwrapped.mission
        if not pack(env).solvable:
            done.append(Episode.of_unsolvable(instruction))
            return
        for steps in itertools.count(1):
            action = yield observation
            observation, reward, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                done.append(Episode(instruction, float(reward) > 0, steps))
                return

    run_episodes(agent, task, play, seeds, deterministic, num_envs)
    return done


def on_tensors(
    agent: BaseAlgorithm, task: Task, seeds: range, deterministic: bool, num_envs: int
) -> list[Episode]:
    """The same episodes in the same order, stepped as tensors: minigrid only makes the levels."""
    with sampling_from(seeds[0], agent), open_worlds(task, min(num_envs, len(seeds))) as worlds:
        rounds = (seeds[start : start + num_envs] for start in range(0, len(seeds), num_envs))
        return [one for some in rounds for one in _tensor_round(agent, worlds, some, deterministic)]


def _tensor_round(
    agent: BaseAlgorithm, worlds: Sequence[World], seeds: range, deterministic: bool
) -> Iterator[Episode]:
    """One episode a seed, all side by side; each as it ends."""
    bank, seen = begun_on_tensors(worlds, seeds)
    yield from map(Episode.of_unsolvable, bank.part(~bank.solvable).missions)
    yield from play_bank(Acting(agent, deterministic), *only_solvable(bank, seen))


def only_solvable(bank: LevelBank, seen: Observation) -> tuple[LevelBank, Observation]:
    """The levels that are not proven to have no solution, and their first views."""
    which = bank.solvable.numpy()
    return bank.only_solvable(), {name: part[which] for name, part in seen.items()}


def begun_on_tensors(worlds: Sequence[World], seeds: range) -> tuple[LevelBank, Observation]:
    """The levels of these seeds, at most as many as there are worlds, and their first views."""
    pairs = list(zip(worlds, seeds, strict=False))  # the last round may need fewer worlds
    seen = _stacked([world.reset(seed=seed)[0] for world, seed in pairs])
    return LevelBank.from_minigrid([world for world, _ in pairs]), seen


def play_bank(act: Act, bank: LevelBank, first: Observation) -> Iterator[Episode]:
    """One episode a level of the bank, all side by side; each as it ends.

    Args:
        act: from what running worlds show, and which they are, to their actions.
        bank: the levels, a world each.
        first: their first observations.
    """
    if not len(bank):
        return
    batched, seen = BatchedBabyAI(bank, len(bank), autoreset=False), dict(first)
    atlas = TileAtlas() if seen["image"].shape[1:] != SYMBOLS else None
    action, running = np.zeros(len(bank), np.int64), np.arange(len(bank))
    for steps in itertools.count(1):
        # Only running worlds are shown: as many random numbers are drawn as for minigrid's.
        shown = {name: part[running] for name, part in seen.items()}
        action[running] = act(shown, running)
        step = batched.step(torch.from_numpy(action))
        seen["image"] = (atlas.render(step.image) if atlas else step.image).numpy()
        if "last_actions" in seen:
            newest = action[:, None] + 1
            seen["last_actions"] = np.concatenate([newest, seen["last_actions"][:, :-1]], axis=1)
        over, success = (step.terminated | step.truncated).numpy(), step.reward.numpy() > 0
        for world in running[over[running]]:
            yield Episode(bank.missions[world], bool(success[world]), steps)
        running = running[~over[running]]
        if not len(running):
            return


def run_episodes(
    agent: BaseAlgorithm,
    task: Task,
    play: Play,
    seeds: range,
    deterministic: bool,
    num_envs: int,
) -> None:
    """Run one `play(env, seed)` a seed, with actions from the agent, in rounds of `num_envs`.

    A round begins when the one before is over, so that the random numbers drawn depend on nothing
    but the episodes. Actions are sampled from the first seed; the caller's random numbers are left
    as they were.
    """
    with sampling_from(seeds[0], agent), open_worlds(task, min(num_envs, len(seeds))) as worlds:
        for start in range(0, len(seeds), num_envs):
            act = Acting(agent, deterministic)
            pairs = enumerate(zip(worlds, seeds[start : start + num_envs], strict=False))
            games = [game for i, pair in pairs if (game := _begun(i, play(*pair)))]
            while games:
                batch = _stacked([observation for _, _, observation in games])
                actions = act(batch, np.array([number for number, _, _ in games]))
                moves = zip(games, actions, strict=True)
                games = [after for game, action in moves if (after := _after(game, int(action)))]


@contextmanager
def open_worlds(task: Task, number: int) -> Iterator[list[World]]:
    """Worlds of a task, closed in the end."""
    with ExitStack() as stack:
        worlds = [task.make() for _ in range(number)]
        for world in worlds:
            stack.callback(world.close)
        yield worlds


def _begun(number: int, episode: Steps) -> Game | None:
    """An episode at its first observation; None where it ended before."""
    observation = next(episode, None)
    return None if observation is None else (number, episode, observation)


def _after(game: Game, action: int) -> Game | None:
    """An episode after one more action; None where that ended it."""
    number, episode, _ = game
    try:
        return number, episode, episode.send(action)
    except StopIteration:
        return None


def _stacked(observations: list[Observation]) -> Observation:
    return {name: np.stack([one[name] for one in observations]) for name in observations[0]}


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
