"""What others published, to stand beside what is measured here."""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Published:
    """What the papers of BabyAI 1.0 and 1.1 have of a level; None where they have nothing.

    1.0 is Chevalier-Boisvert et al. 2019 (arXiv:1810.08272v4), 1.1 is Hui et al. 2020
    (arXiv:2007.12770).

    Attributes:
        imitated_1_0: percent of episodes that succeed after imitation of a million demonstrations.
        imitated_1_1: the same with 1.1's network, one seed.
        demonstrations_1_0: thousands of them until 99% succeed, a 99% credible interval.
        episodes_1_0: thousands of episodes of PPO until 99% of training's episodes succeed, a 99%
            confidence interval.
        episodes_1_1: the same, the mean of the best of 1.1's networks for symbolic views at
            learning rate 1e-4; but for GoToRedBallGrey, where all took 21 to 24 thousand.
        length: mean steps of the bot's demonstrations.
    """

    imitated_1_0: float | None = None
    imitated_1_1: float | None = None
    demonstrations_1_0: Range | None = None
    episodes_1_0: Range | None = None
    episodes_1_1: int | None = None
    length: float | None = None


PUBLISHED = {
    "GoToObj": Published(100, 100, length=5.18),
    "GoToRedBallGrey": Published(100, None, (8.43, 12.4), (15.9, 17.4), 24, 5.81),
    "GoToRedBall": Published(100, None, (49.7, 62.0), (261.1, 333.6), 177, 5.38),
    "GoToLocal": Published(99.8, 100, (148.5, 193.2), (903, 1114), 381, 5.04),
    "PutNextLocal": Published(99.2, 100, (244.6, 322.7), (2186, 2727), 876, 12.4),
    "PickupLoc": Published(99.4, None, (204.3, 241.2), (1447, 1643), 710, 6.13),
    "GoToObjMaze": Published(99.9, None, length=70.8),
    "GoTo": Published(99.4, 100, (341.1, 408.5), (816, 1964), 454, 56.8),
    "Pickup": Published(99, None, length=57.8),
    "UnblockPickup": Published(99, None, length=57.2),
    "Open": Published(100, None, length=31.5),
    "Unlock": Published(98.4, 100, length=81.6),
    "PutNext": Published(98.8, 99.6, length=89.9),
    "Synth": Published(97.3, 100, length=50.4),
    "SynthLoc": Published(97.9, None, length=47.9),
    "GoToSeq": Published(95.4, 96.7, length=72.7),
    "SynthSeq": Published(87.7, 93.9, length=81.8),
    "GoToImpUnlock": Published(87.2, 84.0, length=110),
    "BossLevel": Published(77, 90.4, length=84.3),
}


EPISODES_TO_99 = {
    name: 1000 * row.episodes_1_1
    for name, row in sorted(PUBLISHED.items(), key=lambda item: item[1].episodes_1_1 or 0)
    if row.episodes_1_1
}


def episodes_to_99(task: str) -> int | None:
    """1.1's of a level by its id, or of the sentence that is one of them."""
    level = "GoToRedBall" if task == "go to the red ball" else task
    return EPISODES_TO_99.get(level.removeprefix("BabyAI-").removesuffix("-v0"))
