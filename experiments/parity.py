"""Step minigrid and batched worlds side by side, on every BabyAI level and on sentences.

    python experiments/parity.py --steps 10000
    python experiments/parity.py --device cuda

Claim: image, direction, float64 reward, terminated and truncated are equal on every step. Actions
are random ones, the bot's, and the bot's with noise. A line says how many steps were the bot's: it
fails now and then, which leaves the rest of an episode to random actions. 10,000 steps of each of
96 levels take some fifteen minutes on one core. Ends with status 1 if anything differs.
"""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cli

if TYPE_CHECKING:
    import torch

    from envs.batched.parity import Report

SIDE_BY_SIDE = 12  # environments of one level in a round
NOISE = (1.0, 1.0, 0.0, 0.25)


@dataclass(frozen=True)
class Options:
    """What to compare."""

    steps: int = 10_000
    """Steps of each level, at least."""
    level: tuple[str, ...] = ()
    """Levels or sentences; all levels and a few sentences if not given."""
    seed: int = 0
    """Of the levels and the actions."""
    device: str = "cpu"
    """Of the worlds on tensors: auto, cpu, cuda or cuda:N."""


def main() -> None:
    """Compare, level by level."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from envs import level_ids
        from envs.batched.parity import SENTENCES
        from film_rl.run import choose_device

        device = choose_device(options.device)
        different = total = 0
        for task in options.level or (*level_ids(), *SENTENCES):
            report = compare_task(task, options, device)
            total, different = total + report.steps, different + len(report.differences)
            print(
                f"{task}: {report.steps} steps ({report.advised} the bot's), {report.succeeded} "
                f"done, {report.truncated} cut, {len(report.differences)} differ"
            )
            for line in report.differences:
                print(f"  {line}")
        print(f"{total} steps, {different} worlds that differ")
    sys.exit(1 if different else 0)


def compare_task(task: str, options: Options, device: "torch.device") -> "Report":
    """Rounds of new episodes until there are enough steps."""
    from envs import make_env
    from envs.batched.parity import Report, compare

    levels = [make_env(task) for _ in range(SIDE_BY_SIDE)]
    total, start = Report(0, 0, 0, 0, []), options.seed
    while total.steps < options.steps:
        for index, env in enumerate(levels):
            env.reset(seed=start + index)
        total = total.plus(compare(levels, options.steps, start, NOISE, device))
        start += len(levels)
    return total


if __name__ == "__main__":
    main()
