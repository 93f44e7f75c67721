"""CLEVR-CoGenT: train on condition A, where cubes and cylinders never have each other's colours.

Spheres have all eight colours in A and in B; cubes are gray, blue, brown or yellow and cylinders
red, green, purple or cyan in A, and the other way round in B. A network is fine-tuned on the first
images of valB and tested on the others, as in the paper (30,000 questions, which are 3,000 images).

Johnson et al. 2017, "CLEVR", section 4.7; Perez et al. 2018, section 4.5.
"""

from dataclasses import replace

from film_rl.run import UserError
from vqa.config import VQAConfig

TUNED_ON = 3_000  # images of valB at most


def check_condition_a(config: VQAConfig, run: object) -> None:
    """Raise a UserError unless a run has seen condition A only."""
    if config.train_split != "trainA" or config.start is not None:
        how = f"fine-tuned from {config.start}" if config.start else f"on {config.train_split!r}"
        raise UserError(
            f"{run} was trained {how}; expected a run on condition A, which has not seen B: "
            "python experiments/clevr_train.py --train-split trainA --val-split valA"
        )


def on_condition_b(config: VQAConfig) -> VQAConfig:
    """A run's configuration with B's data: valB's first images to tune on, the rest held out."""
    images = tuned_on(config)
    return replace(
        config, train_split="valB", val_split="valB", train_images=images, val_skip=images
    )


def tuned_on(config: VQAConfig) -> int:
    """How many images of valB are set apart for tuning; of generated data 3 for 10 of training."""
    if config.data is not None:
        return TUNED_ON
    return max(1, min(TUNED_ON, 3 * config.train_images // 10))
