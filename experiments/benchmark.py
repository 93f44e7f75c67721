"""Measure BabyAI on tensors against minigrid, EnvPool and stock PPO, side by side in one run.

    python experiments/benchmark.py
    python experiments/benchmark.py --level BabyAI-BossLevel-v0 --runs 0
    python experiments/benchmark.py --threads 2 --runs 0
    python experiments/benchmark.py --device cuda --worlds 131072 --envs 4096 --batch-size 16384

Measured are steps a second of worlds alone, random actions; steps a second of training, PPO on the
device and stock PPO with the same network and settings; the same with an LSTM, beside sb3-contrib's
RecurrentPPO; and how long babyai_ppo.py's training takes
to 90% and 99% success (time_to_success.py; on a GPU, whose settings are others, leave it out by
--runs 0). Those compared take turns; figures are medians.

Actions are drawn anew in every turn. Worlds on tensors begin episodes on the levels of a bank, made
before; minigrid and EnvPool make each level while the clock runs. EnvPool is an extra,
`pip install -e '.[bench]'`; where it is missing a line says so.

Writes docs/results/babyai_speed.json and pictures into docs/media. The whole takes about seven
minutes on two idle cores, two of them for the runs to 99%.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cli

from agents.config import AgentConfig

if TYPE_CHECKING:
    import torch
    from random_actions import Play
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

RESULT = Path(__file__).parent.parent / "docs" / "results" / "babyai_speed.json"
COMMAND = "python experiments/benchmark.py"
MEDIA = RESULT.parent.parent / "media"
ON_GPU = " --device cuda --worlds 131072 --envs 4096 --batch-size 16384 --runs 0"
ON_TWO = " --threads 2 --runs 0"
OURS, ENVPOOL = "worlds on tensors", "EnvPool"
# Worlds that began together run out of time together: minigrid then makes all their levels in one
# rollout of three, and a shorter turn may have more of these than another.
TURN_OF_TRAINING = 10
LEVELS = 2_048  # of the bank: more of them change a step's time by nothing
MANY = 65_536  # worlds whose memory is told
LARGEST = "BabyAI-BossLevel-v0"


@dataclass(frozen=True)
class Options:
    """What to measure, and on what."""

    level: str = "BabyAI-GoToLocal-v0"
    """A BabyAI level."""
    device: str = "cpu"
    """auto, cpu, cuda or cuda:N; minigrid and EnvPool stay on the CPU."""
    threads: int = 1
    """CPU threads of PyTorch and of EnvPool."""
    worlds: int = 4096
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
    """Of a turn of acting, at least; a turn of training is ten times as long."""
    runs: int = 3
    """Training runs a task for the time to 90% and 99% success; 0 leaves them out."""


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
        keep(remembering_on(options.level, options.channels), figures=remembering(options))
        # Bytes are the same whatever was typed.
        keep(MEMORY, options=Options(), cuda=False, figures=memory())
        if options.runs:
            learning_curves(options, keep)
    print(RESULT, *pictures(), sep="\n")


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
    if options.runs < 0:
        raise UserError(f"--runs {options.runs}; expected 0 or more")
    if not 0 <= options.seconds <= 3600:
        raise UserError(f"--seconds {options.seconds}; expected 0 to 3,600")
    check_numbers(training_config(options))


def acting(options: Options, device: "torch.device") -> dict[str, Any]:
    """Steps a second with random actions, of worlds on tensors and of the others."""
    from random_actions import dummy_vec_env, in_envpool, on_tensors, one_minigrid

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


def training(options: Options) -> dict[str, Any]:
    """Steps a second of training, PPO on the device and stock PPO."""
    from agents.learner import make_learner

    config = training_config(options)
    players = {
        "PPO on the device": learning(make_learner(config)),
        "stock SB3 PPO on minigrid": learning(make_learner(training_config(options, engine="sb3"))),
    }
    return compared(players, options.repeats, TURN_OF_TRAINING * options.seconds)


def remembering(options: Options) -> dict[str, Any]:
    """Steps a second of training with an LSTM, on the device and by sb3-contrib."""
    from recurrent_sb3 import recurrent_ppo

    from agents.learner import make_learner

    config = memory_config(options)
    ours = make_learner(config)
    players = {
        "PPO with an LSTM on the device": learning(ours),
        "sb3-contrib's RecurrentPPO on minigrid": learning(recurrent_ppo(config, ours)),
    }
    return compared(players, options.repeats, TURN_OF_TRAINING * options.seconds)


def memory_config(options: Options) -> AgentConfig:
    """As of training, with as many whole segments a minibatch as come near to its samples."""
    config = training_config(options, memory="lstm")
    divisors = [d for d in range(1, config.envs + 1) if config.envs % d == 0]
    segments = min(divisors, key=lambda d: abs(d - config.batch_size / config.segment))
    return replace(config, batch_size=segments * config.segment)


def training_config(options: Options, **change: Any) -> AgentConfig:
    """Same network, same settings; the engine or the memory alone differs."""
    return AgentConfig(
        level=options.level,
        levels=LEVELS,
        envs=options.envs,
        batch_size=options.batch_size,
        channels=options.channels,
        device=options.device,
        threads=options.threads,
        **change,
    )


def learning(learner: "OnPolicyAlgorithm") -> "Play":
    """One update of PPO: a rollout, then its minibatches."""

    def play() -> int:
        # It ends with its statistics on the host: nothing is left to wait for.
        before = learner.num_timesteps
        learner.learn(learner.n_envs * learner.n_steps, reset_num_timesteps=False)
        return learner.num_timesteps - before

    return play


def memory() -> dict[str, Any]:
    """Bytes of a world of the largest level, and of many with a bank of as many levels."""
    from envs.batched import BatchedBabyAI, LevelBank

    bank = LevelBank.generate(LARGEST, LEVELS)
    world = BatchedBabyAI(bank, MANY).bytes_per_world
    return {
        "bytes a world": round(world),
        "bytes a level": round(bank.bytes_per_level),
        f"{MANY:,} worlds and as many levels, GB": round(
            MANY * (world + bank.bytes_per_level) / 1e9, 3
        ),
    }


def learning_curves(options: Options, keep: Callable[..., None]) -> None:
    """Train on each task to the end, and keep how long it took to succeed."""
    from time_to_success import TASKS, measured

    for name, config in TASKS.items():
        mine = replace(config, device=options.device, threads=options.threads)
        keep(learning_of(name), **measured(mine, options.runs))


def pictures() -> list[Path]:
    """Draw all rows that were ever measured."""
    from speed_plots import draw

    return draw(json.loads(RESULT.read_text(encoding="utf-8")), MEDIA)


def compared(players: dict[str, "Play"], repeats: int, seconds: float) -> dict[str, Any]:
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


def speed(play: "Play", seconds: float) -> float:
    """Steps a second, over a time at least this long."""
    start, steps, elapsed = time.perf_counter(), 0, 0.0
    while not steps or elapsed < seconds:
        steps += play()
        elapsed = time.perf_counter() - start
    return steps / elapsed


MEMORY = f"memory of worlds, {LARGEST}"


def acting_on(level: str) -> str:
    """What the row of acting says."""
    return f"environment steps a second, random actions, {level}"


def training_on(level: str, channels: int) -> str:
    """What the row of training says."""
    return f"training steps a second, PPO with {channels} channels, {level}"


def remembering_on(level: str, channels: int) -> str:
    """What the row of training with memory says."""
    return f"training steps a second, PPO with an LSTM and {channels} channels, {level}"


def learning_of(task: str) -> str:
    """What the row of the time to success says."""
    return f"time to 90% and 99% success, {task}"


def planned() -> list[dict[str, Any]]:
    """The rows that are wanted, before anything is measured."""
    from time_to_success import TASKS

    level = Options.level
    places = {ON_GPU: "one GPU", ON_TWO: "CPU, 2 threads"}
    wanted = (
        (acting_on(level), ""),
        (acting_on(level), ON_TWO),
        (training_on(level, 32), ON_TWO),
        (training_on(level, 32), ""),
        (remembering_on(level, 32), ON_TWO),
        (remembering_on(level, 32), ""),
        (MEMORY, ""),
        *((learning_of(task), "") for task in TASKS),
        (acting_on(level), ON_GPU),
        (training_on(level, 32), ON_GPU),
        (remembering_on(level, 32), ON_GPU),
        (training_on(level, 128), f"{ON_GPU} --channels 128"),
    )
    return [
        {
            "what": f"{what}: {places.get(settings.partition(' --channels')[0], 'CPU')}",
            "command": COMMAND + settings,
            "hardware": "one GPU of the H200's class" if ON_GPU in settings else "CPU",
            "date": None,
            "figures": {},
            "measured": False,
        }
        for what, settings in wanted
    ]


def write(
    what: str,
    *,
    options: Options,
    cuda: bool,
    figures: dict[str, Any],
    hardware: str,
    curves: list[Any] | None = None,
) -> None:
    """Put a row in the place of that of the same name, or at the end; the others stay."""
    rows = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else planned()
    settings = [
        f" --{field.name.replace('_', '-')} {getattr(options, field.name)}"
        for field in fields(Options)
        if getattr(options, field.name) != field.default
    ]
    threads = "" if options.threads == 1 else f", {options.threads} threads"
    row: dict[str, Any] = {
        "what": f"{what}: {'one GPU' if cuda else 'CPU'}{threads}",
        "command": "".join([COMMAND, *settings]),
        "hardware": hardware,
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "measured": True,
    }
    if curves:
        row["curves"] = curves
    by_name = {old["what"]: old for old in rows} | {row["what"]: row}
    RESULT.write_text(json.dumps(list(by_name.values()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
