"""BabyAI's nineteen levels in their paper's order, and how long each is trained on."""

from dataclasses import dataclass

from agents.config import AgentConfig


@dataclass(frozen=True)
class Level:
    """A level and its budget; the defaults are what a hard one gets.

    Attributes:
        name: as the papers call it.
        steps: environment steps of PPO.
        learning_rate: at the start.
        refresh: steps after which a quarter of the levels gives way to new ones; 0 for never.
        demonstrations: that imitation learns from.
        updates: gradient steps of imitation.
        after: a level that an agent with a memory learns first; without it learning starts late.
        is_in_minigrid: whether minigrid has it.
    """

    name: str
    steps: int = 32_000_000
    learning_rate: float = 1e-3
    refresh: int = 1_000_000
    demonstrations: int = 10_000
    updates: int = 10_000
    after: str | None = None
    is_in_minigrid: bool = True

    @property
    def id(self) -> str:
        """As minigrid calls it."""
        return minigrid_id(self.name)


def minigrid_id(name: str) -> str:
    """What minigrid calls a level."""
    return f"BabyAI-{name}-v0"


FAST = AgentConfig.learning_rate  # what suits the levels of one room and one clause

# What docs/benchmarks.md needed for the levels measured there; the others have that of the nearest.
# Above a million steps the first levels are too few: they are refreshed.
NINETEEN = (
    Level("GoToObj", 600_000, FAST, 0, updates=3_000),
    Level("GoToRedBallGrey", 600_000, FAST, 0, updates=3_000),
    Level("GoToRedBall", 600_000, FAST, 0, updates=3_000),
    Level("GoToLocal", 1_000_000, FAST, 0, updates=3_000),
    Level("PutNextLocal", 10_000_000, updates=3_000),
    Level("PickupLoc", 3_000_000, 1.5e-3, updates=3_000),
    Level("GoToObjMaze", 16_000_000),
    Level("GoTo", 16_000_000, after="GoToLocal"),
    Level("Pickup", 16_000_000, after="PickupLoc"),
    Level("UnblockPickup", 16_000_000),
    Level("Open", 6_000_000),
    Level("Unlock"),
    Level("PutNext", is_in_minigrid=False),
    Level("Synth"),
    Level("SynthLoc"),
    Level("GoToSeq"),
    Level("SynthSeq"),
    Level("GoToImpUnlock"),
    Level("BossLevel"),
)
LEVELS = {level.name: level for level in NINETEEN if level.is_in_minigrid}
