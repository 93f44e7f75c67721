"""Several levels trained together: which they are, and how often each is played."""

from collections.abc import Iterable
from fractions import Fraction

from envs import level_ids
from envs.errors import did_you_mean
from film_rl.run.errors import UserError

EXAMPLE = "--mixture BabyAI-GoToLocal-v0=0.7 BabyAI-PickupLoc-v0=0.3"


def read_shares(mixture: Iterable[str]) -> dict[str, Fraction]:
    """Each level's share of the episodes, from words such as "BabyAI-GoToLocal-v0=0.7".

    Raises:
        UserError: a word is not of this form, a level is unknown or named twice, a share is not
            above 0, or their sum is not exactly 1.
    """
    words = list(mixture)
    shares: dict[str, Fraction] = {}
    for word in words:
        level, _, number = word.partition("=")
        try:
            share = Fraction(number)
        except (ValueError, ZeroDivisionError):
            share = Fraction(0)
        if share <= 0:
            raise UserError(
                f"--mixture {word}: expected a level and its share of the episodes, above 0: "
                f"type {EXAMPLE}, for example"
            )
        shares[level] = share
    check_levels("--mixture", [word.partition("=")[0] for word in words])
    if words and (total := sum(shares.values())) != 1:
        listed = " + ".join(word.partition("=")[2] for word in words)
        raise UserError(
            f"--mixture: the shares {listed} are {float(total):g} together; expected exactly 1 "
            "(a share may be a fraction such as 1/3)"
        )
    return shares


def check_levels(option: str, levels: Iterable[str]) -> None:
    """UserError where one is no BabyAI level, or is named twice."""
    seen: set[str] = set()
    for level in levels:
        if level not in level_ids():
            raise UserError(
                f"{option}: no level is called '{level}'{did_you_mean(level, level_ids())}; type "
                "levels such as BabyAI-GoToLocal-v0"
            )
        if level in seen:
            raise UserError(f"{option} names {level} twice; type each level once")
        seen.add(level)
