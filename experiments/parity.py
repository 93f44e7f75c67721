"""Step minigrid and batched worlds side by side, on every BabyAI level and on sentences.

    python experiments/parity.py --steps 10000

Claim: image, direction, float64 reward, terminated and truncated are equal on every step. Actions
are random ones, the bot's, and the bot's with noise. 10,000 steps of each of 96 levels take about
half an hour on two cores. Ends with status 1 if anything differs.
"""

import sys
from dataclasses import dataclass

import cli

SENTENCES = (
    "go to the {color} {object}",
    "put the {color} {object} next to the {color} {object}",
    "open a door on your left and go to the key",
    "pick up a ball after you open the red door and go to the blue key",
    "pick up the red object, then put the red object next to a door",
)
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


def main() -> None:
    """Compare, level by level."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from envs import level_ids

        different = total = 0
        for task in options.level or (*level_ids(), *SENTENCES):
            steps, succeeded, truncated, lines = compare_task(task, options)
            total, different = total + steps, different + len(lines)
            print(f"{task}: {steps} steps, {succeeded} done, {truncated} cut, {len(lines)} differ")
            for line in lines:
                print(f"  {line}")
        print(f"{total} steps, {different} worlds that differ")
    sys.exit(1 if different else 0)


def compare_task(task: str, options: Options) -> tuple[int, int, int, list[str]]:
    """Rounds of new episodes until there are enough steps."""
    from envs import make_env
    from envs.batched.parity import compare

    levels = [make_env(task) for _ in range(SIDE_BY_SIDE)]
    steps = succeeded = truncated = 0
    lines: list[str] = []
    start = options.seed
    while steps < options.steps:
        for index, env in enumerate(levels):
            env.reset(seed=start + index)
        report = compare(levels, options.steps, start, NOISE)
        start += len(levels)
        steps += report.steps
        succeeded += report.succeeded
        truncated += report.truncated
        lines += report.differences
    return steps, succeeded, truncated, lines


if __name__ == "__main__":
    main()
