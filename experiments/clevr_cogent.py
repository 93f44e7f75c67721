"""CoGenT: train on condition A, test on A and B, fine-tune on growing amounts of B (figure 9).

    python experiments/clevr_cogent.py --seeds 1
    python experiments/clevr_cogent.py --data CLEVR_CoGenT_v1.0 --preset fast --device cuda

Claim (Perez et al. 2018, section 4.5): FiLM trained on A (gray, blue, brown or yellow cubes, red,
green, purple or cyan cylinders) answers 98.3% on A and 75.6% on B, whose colours are the other way
round. Fine-tuned on 30,000 questions of B (3,000 images') it answers 96.9% on B and forgets A,
80.8%.

Here that is done with and without a penalty on gamma - 1 and beta (--penalties), tuning everything
or only what makes gamma and beta (--tune-parts). Fine-tuning takes the first --amounts images of
valB; B is tested on the images after the largest such amount (3,000 of official data, 3 for 10 of
training of generated data), A on valA.

Killed and started again with the same command it goes on; a second process with the same command
shares the work (see clevr_ablations.py). Cost at small scale, a seed: two trainings like that of
clevr_train.py, and twelve fine-tunings of a seventh of it each. Writes cogent.json and figure-9.png
into the folder of the runs, and rows.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli
import tyro
from clevr_sweep import FREE, SweepOptions, read_options, train
from paper_rows import check_rows

from vqa.config import Tuned, VQAConfig

if TYPE_CHECKING:
    from film_rl.run import RunFolder, Sweep

TUNING = {"small": (800, 1e-3), "fast": (1_000, 3e-4), "paper": (10_000, 3e-4)}


@dataclass(frozen=True)
class Options(SweepOptions):
    """What is compared; and the training on condition A."""

    penalties: tuple[float, ...] = (0.0, 0.01)
    """Weights of the penalty, see --film-penalty of clevr_train.py."""
    tune_parts: tuple[Tuned, ...] = ("all", "film")
    """What is fine-tuned: all, or film, only what makes gamma and beta."""
    amounts: tuple[int, ...] = (300, 1_000, 3_000)
    """Images of B to fine-tune on."""
    tune_steps: int | None = None
    """Gradient steps of a fine-tuning; the preset's when not given."""
    tune_rate: float | None = None
    """Adam's step size in a fine-tuning; the preset's when not given."""
    film_penalty: tyro.conf.Suppress[float] = 0.0
    """Not to be typed: --penalties says which."""


@dataclass(frozen=True)
class Plan:
    """All runs: those on A by penalty and seed, and their fine-tunings by part and amount too."""

    trained: dict[tuple[float, int], VQAConfig]
    tuned: dict[tuple[float, int, Tuned, int], VQAConfig]
    folder: Path

    def on_a(self) -> dict[str, VQAConfig]:
        """The trainings by the names of their runs."""
        return {name_of(key): config for key, config in self.trained.items()}

    def on_b(self, first: "Sweep[VQAConfig] | None" = None) -> dict[str, VQAConfig]:
        """The fine-tunings by the names of their runs; only those whose training has finished."""
        return {
            name_of(key): config
            for key, config in self.tuned.items()
            if first is None or first.runs[name_of(key[:2])].summary()
        }

    def runs_of(self, penalty: float, part: Tuned) -> "list[RunFolder]":
        """The run folders of a line: trainings with the penalty, fine-tunings of the part."""
        from film_rl.run import RunFolder

        trained = [("trained", key) for key in self.trained if key[0] == penalty]
        tuned = [("tuned", key) for key in self.tuned if (key[0], key[2]) == (penalty, part)]
        return [RunFolder(self.folder / which / name_of(key)) for which, key in trained + tuned]


def main() -> None:
    """Train on A, fine-tune on B, test on both, tell and draw."""
    options = read_options(Options, __doc__ or "")
    with cli.exit_status():
        from cogent_report import outcomes, report

        from film_rl.run import Sweep

        check_rows(options.results)
        plan = planned(options)
        base = replace(options.base, seed=0)
        first = Sweep(plan.folder / "trained", base, plan.on_a(), FREE)
        second = Sweep(plan.folder / "tuned", base, plan.on_b(), (*FREE, "start"))
        runs = len(first.runs) + len(second.runs)
        print(f"{runs} runs in {plan.folder}, {len(first.left()) + len(second.left())} left")
        first.work(train)
        Sweep(plan.folder / "tuned", base, plan.on_b(first), (*FREE, "start")).work(train)
        with first.alone():
            report(options, plan, outcomes(plan, first, second))


def planned(options: Options) -> Plan:
    """All that is to be run; a UserError for what makes no sense."""
    from film_rl.run import UserError
    from vqa.check import check
    from vqa.cogent import check_condition_a, tuned_on

    asked = (options.penalties, options.tune_parts, options.amounts)
    if options.seeds < 1 or not all(asked):
        raise UserError(
            "nothing is asked for; type --seeds 1 --penalties 0 --tune-parts all --amounts 300"
        )
    base = options.base
    if (base.train_split, base.val_split) == ("train", "val"):
        base = replace(base, train_split="trainA", val_split="valA")
    check_condition_a(base, "--train-split")
    most = tuned_on(base)
    for amount in options.amounts:
        if not 1 <= amount <= most:
            raise UserError(
                f"--amounts {amount}: {most:,} images of valB are set apart for fine-tuning; "
                f"type amounts from 1 to {most:,}"
            )
    folder = options.run or Path("runs") / f"clevr-cogent-{options.preset}"
    check_folder(folder)
    seeds = range(options.seed, options.seed + options.seeds)
    trained = {
        (penalty, seed): replace(base, film_penalty=penalty, seed=seed)
        for seed, penalty in product(seeds, options.penalties)
    }
    tuned = {
        (penalty, seed, part, amount): fine_tuning(
            options, config, folder / "trained" / name_of((penalty, seed)), part, amount
        )
        for (penalty, seed), config in trained.items()
        for part, amount in product(options.tune_parts, options.amounts)
    }
    for config in (*trained.values(), *tuned.values()):
        check(config)
    return Plan(trained, tuned, folder)


def check_folder(folder: Path) -> None:
    """Raise a UserError where the folder of all runs holds something else."""
    from film_rl.run import UserError

    there = sorted(p.name for p in folder.glob("[!.]*"))
    if there and not (folder / "trained").is_dir():
        raise UserError(
            f"{folder} is not a folder of clevr_cogent.py (it has {there[0]} and no trained/); "
            "choose another --run"
        )


def fine_tuning(
    options: Options, config: VQAConfig, start: Path, part: Tuned, amount: int
) -> VQAConfig:
    """The configuration of a fine-tuning of the run `start`."""
    from vqa.cogent import on_condition_b
    from vqa.fine_tune import continued

    steps, rate = TUNING[options.preset]
    steps = steps if options.tune_steps is None else options.tune_steps
    rate = rate if options.tune_rate is None else options.tune_rate
    return replace(
        continued(on_condition_b(config), start),
        train_images=amount,
        tune=part,
        steps=steps,
        learning_rate=rate,
        warmup=0,
        fall=0.5,
        patience=0,
        eval_every=steps,
        checkpoint_every=min(config.checkpoint_every, steps),
    )


def name_of(key: tuple[Any, ...]) -> str:
    """What a run is called: `penalty-0.01/all-300/0`, its seed last."""
    penalty, seed, *how = key
    middle = f"{how[0]}-{how[1]}/" if how else ""
    return f"penalty-{penalty:g}/{middle}{seed}"


if __name__ == "__main__":
    main()
