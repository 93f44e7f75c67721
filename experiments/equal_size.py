"""Networks of other kinds with equally many parameters, so that a comparison is of the kinds."""

from dataclasses import replace
from functools import cache

from agents.config import AgentConfig
from agents.learner import make_learner
from film_rl.run import UserError

TOLERANCE = 0.02
WIDEST = 1024  # feature maps


@cache
def parameters(config: AgentConfig) -> int:
    """Numbers that training adjusts."""
    # One world of minigrid's and a batch that fits it: this learner is not going to learn.
    small = replace(config, engine="sb3", envs=1, batch_size=config.rollout, device="cpu")
    return sum(weight.numel() for weight in make_learner(small).policy.parameters())


def of_equal_size(config: AgentConfig, wanted: int) -> AgentConfig:
    """The configuration with the `channels` whose parameters come nearest to those wanted.

    Raises:
        UserError: they are not within 2%.
    """
    low, high = 1, WIDEST
    while low < high:  # the first that has at least as many: more channels are more parameters
        middle = (low + high) // 2
        if parameters(replace(config, channels=middle)) < wanted:
            low = middle + 1
        else:
            high = middle
    around = [replace(config, channels=channels) for channels in (low - 1, low) if channels]
    nearest = min(around, key=lambda one: abs(parameters(one) - wanted))
    if abs(parameters(nearest) - wanted) > TOLERANCE * wanted:
        raise UserError(
            f"conditioning {config.conditioning} has {parameters(nearest):,} parameters with "
            f"{nearest.channels} channels, and {wanted:,} are wanted within {TOLERANCE:.0%}; type "
            "more --channels, so that one makes less of a difference"
        )
    return nearest
