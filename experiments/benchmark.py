"""Measure BabyAI on tensors against minigrid, EnvPool and stock PPO, side by side in one run.

    python experiments/benchmark.py
    python experiments/benchmark.py --level BabyAI-BossLevel-v0
    python experiments/benchmark.py --device cuda --worlds 131072 --envs 4096 --batch-size 16384

Claim: with one thread, worlds on tensors act at least 60 times as fast as one minigrid process and
three times as fast as EnvPool, and PPO on the device trains at least five times as fast as stock
PPO with the same network and settings. All take turns; figures are medians of their turns.

Actions are random and drawn anew in every turn. Worlds on tensors begin episodes on the levels of a
bank, made before; minigrid and EnvPool make each level while the clock runs. EnvPool is an extra,
`pip install -e '.[bench]'`; where it is missing a line says so.

Writes docs/results/babyai_speed.json. It takes less than two minutes on two idle cores.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cli

from agents.config import AgentConfig

if TYPE_CHECKING:
    import torch

    from envs.batched import BatchedBabyAI

RESULT = Path(__file__).parent.parent / "docs" / "results" / "babyai_speed.json"
COMMAND = "python experiments/benchmark.py"
ON_GPU = " --device cuda --worlds 131072 --envs 4096 --batch-size 16384"
OURS, ENVPOOL = "worlds on tensors", "EnvPool"
LEVELS = 2_048  # of the bank: more of them change a step's time by nothing
STEPS = 50  # of every world between two looks at the clock
DUMMY_WORLDS = 16  # they act one after another: their number changes little
ENVPOOL_WORLDS = 256  # with thousands it is slower

Play = Callable[[], int]
"""Acts or learns for a moment; how many steps of an environment that took."""


@dataclass(frozen=True)
class Options:
    """What to measure, and on what."""

    level: str = "BabyAI-GoToLocal-v0"
    """A BabyAI level."""
    device: str = "cpu"
    """auto, cpu, cuda or cuda:N; minigrid and EnvPool stay on the CPU."""
    threads: int = 1
    """CPU threads of PyTorch and of EnvPool."""
    worlds: int = 1024
    """Worlds on tensors that act side by side."""
    envs: int = AgentConfig.envs
    """Worlds of training, as of babyai_ppo.py."""
    batch_size: int = AgentConfig.batch_size
    """Samples a minibatch of training."""
    channels: int = AgentConfig.channels
    """Feature maps of the policy's CNN."""
    repeats: int = 3
    """Turns of each, after one that warms up."""
    seconds: float = 1.0
    """Of a turn, at least."""


def main() -> None:
    """Measure acting and training, and write both rows of this device."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        import torch

        from film_rl.run import choose_device
        from film_rl.run.device import describe_device

        check(options)
        device = choose_device(options.device)
        torch.set_num_threads(options.threads)
        both = dict.fromkeys(describe_device(one) for one in (device, torch.device("cpu")))
        keep = partial(write, options=options, cuda=device.type == "cuda", hardware="; ".join(both))
        keep(acting_on(options.level), figures=acting(options, device))
        keep(training_on(options.level, options.channels), figures=training(options))
    print(RESULT)


def check(options: Options) -> None:
    """Find out what is wrong with the options before anything is measured."""
    from agents.learner import check_numbers
    from envs import level_ids
    from film_rl.errors import did_you_mean
    from film_rl.run import UserError

    if options.level not in level_ids():
        hint = did_you_mean(options.level, level_ids())
        raise UserError(
            f"--level {options.level}: no level has this name{hint}; type one such as "
            f"{Options.level}"
        )
    for name in ("worlds", "repeats"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}; expected 1 or more")
    if not 0 <= options.seconds <= 3600:
        raise UserError(f"--seconds {options.seconds}; expected 0 to 3,600")
    check_numbers(training_config(options))


def acting(options: Options, device: "torch.device") -> dict[str, Any]:
    """Steps a second with random actions, of worlds on tensors and of the others."""
    from envs.batched import BatchedBabyAI, LevelBank

    bank = LevelBank.generate(options.level, LEVELS)
    worlds = BatchedBabyAI(bank, options.worlds, device)
    players = {
        OURS: on_tensors(worlds),
        "one minigrid process": one_minigrid(options.level),
        "minigrid in SB3's DummyVecEnv": dummy_vec_env(options.level),
    }
    envpool = in_envpool(options.level, options.threads)
    if envpool:
        players[ENVPOOL] = envpool
    else:
        print("EnvPool: not installed; `pip install -e '.[bench]'` brings it")
    figures = compared(players, options.repeats, options.seconds)
    figures[OURS]["bytes a world"] = round(worlds.bytes_per_world)
    return figures if envpool else {**figures, ENVPOOL: "not installed"}


def on_tensors(worlds: "BatchedBabyAI") -> Play:
    """All worlds in one step."""
    import torch

    def play() -> int:
        shape = (STEPS, worlds.num_envs)
        for action in torch.randint(7, shape, device=worlds.device):
            worlds.step(action)
        if worlds.device.type == "cuda":
            torch.cuda.synchronize(worlds.device)
        return STEPS * worlds.num_envs

    return play


def one_minigrid(level: str) -> Play:
    """minigrid's environment without any wrapper."""
    import numpy as np

    from envs import make_env

    env, random = make_env(level).unwrapped, np.random.default_rng(0)
    env.reset(seed=0)

    def play() -> int:
        for action in random.integers(7, size=STEPS).tolist():
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return STEPS

    return play


def dummy_vec_env(level: str) -> Play:
    """The environments that stock PPO trains on: sentence as words, last actions."""
    import numpy as np
    from stable_baselines3.common.vec_env import DummyVecEnv

    from envs import make_env

    worlds = DummyVecEnv([partial(make_env, level)] * DUMMY_WORLDS)
    random = np.random.default_rng(0)
    worlds.seed(0)
    worlds.reset()

    def play() -> int:
        for action in random.integers(7, size=(STEPS, DUMMY_WORLDS)):
            worlds.step(action)
        return STEPS * DUMMY_WORLDS

    return play


def in_envpool(level: str, threads: int) -> Play | None:
    """EnvPool's worlds (arXiv:2206.10558); None where it is not installed.

    It spends a step on each reset, which counts as one.
    """
    try:
        import envpool
    except ModuleNotFoundError as error:
        if error.name != "envpool":
            raise
        return None
    import numpy as np

    worlds = envpool.make_gymnasium(level, num_envs=ENVPOOL_WORLDS, num_threads=threads, seed=0)
    random = np.random.default_rng(0)
    worlds.reset()

    def play() -> int:
        for action in random.integers(7, size=(STEPS, ENVPOOL_WORLDS), dtype=np.int32):
            worlds.step(action)
        return STEPS * ENVPOOL_WORLDS

    return play


def training(options: Options) -> dict[str, Any]:
    """Steps a second of training, PPO on the device and stock PPO."""
    config = training_config(options)
    players = {
        "PPO on the device": learning(config),
        "stock SB3 PPO on minigrid": learning(training_config(options, engine="sb3")),
    }
    return compared(players, options.repeats, options.seconds)


def training_config(options: Options, **engine: Any) -> AgentConfig:
    """Same network, same settings; the engine alone differs."""
    return AgentConfig(
        level=options.level,
        levels=LEVELS,
        envs=options.envs,
        batch_size=options.batch_size,
        channels=options.channels,
        device=options.device,
        threads=options.threads,
        **engine,
    )


def learning(config: AgentConfig) -> Play:
    """One update of PPO: a rollout, then its minibatches."""
    from agents.learner import make_learner

    learner = make_learner(config)

    def play() -> int:
        # It ends with its statistics on the host: nothing is left to wait for.
        before = learner.num_timesteps
        learner.learn(config.envs * config.rollout, reset_num_timesteps=False)
        return learner.num_timesteps - before

    return play


def compared(players: dict[str, Play], repeats: int, seconds: float) -> dict[str, Any]:
    """Steps a second of each, and how many times slower than the first the others are."""
    speeds: dict[str, list[float]] = {name: [] for name in players}
    for turn in range(repeats + 1):
        for name, play in players.items():
            speeds[name].append(speed(play, seconds))
            print(f"turn {turn}: {name} {speeds[name][-1]:,.0f} steps/s", flush=True)
    ours, *others = typical = {name: median(of[1:]) for name, of in speeds.items()}
    figures: dict[str, Any] = {ours: {"steps a second": round(typical[ours])}}
    for name in others:
        slower = round(typical[ours] / typical[name], 2)
        figures[name] = {"steps a second": round(typical[name]), "times slower": slower}
        print(f"{ours}: {slower} times {name}")
    return figures


def speed(play: Play, seconds: float) -> float:
    """Steps a second, over a time at least this long."""
    start, steps, elapsed = time.perf_counter(), 0, 0.0
    while not steps or elapsed < seconds:
        steps += play()
        elapsed = time.perf_counter() - start
    return steps / elapsed


def acting_on(level: str) -> str:
    """What the row of acting says."""
    return f"environment steps a second, random actions, {level}"


def training_on(level: str, channels: int) -> str:
    """What the row of training says."""
    return f"training steps a second, PPO with {channels} channels, {level}"


def planned() -> list[dict[str, Any]]:
    """The rows that are wanted, before anything is measured."""
    level = Options.level
    wanted = (
        (acting_on(level), ""),
        (training_on(level, 32), ""),
        (acting_on(level), ON_GPU),
        (training_on(level, 32), ON_GPU),
        (training_on(level, 128), f"{ON_GPU} --channels 128"),
    )
    return [
        {
            "what": f"{what}: {'one GPU' if settings else 'CPU'}",
            "command": COMMAND + settings,
            "hardware": "one GPU of the H200's class" if settings else "one CPU core",
            "date": None,
            "figures": {},
            "measured": False,
        }
        for what, settings in wanted
    ]


def write(
    what: str, *, options: Options, cuda: bool, figures: dict[str, Any], hardware: str
) -> None:
    """Put a row in the place of that of the same name, or at the end; the others stay."""
    rows = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else planned()
    settings = [
        f" --{field.name.replace('_', '-')} {getattr(options, field.name)}"
        for field in fields(Options)
        if getattr(options, field.name) != field.default
    ]
    row = {
        "what": f"{what}: {'one GPU' if cuda else 'CPU'}",
        "command": "".join([COMMAND, *settings]),
        "hardware": hardware,
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "measured": True,
    }
    by_name = {old["what"]: old for old in rows} | {row["what"]: row}
    RESULT.write_text(json.dumps(list(by_name.values()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
