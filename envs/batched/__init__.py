"""BabyAI worlds as tensors: thousands act in one step, exactly as minigrid's."""

from envs.batched.bank import LevelBank
from envs.batched.pixels import TileAtlas
from envs.batched.worlds import BatchedBabyAI, Observation, Step

__all__ = ["BatchedBabyAI", "LevelBank", "Observation", "Step", "TileAtlas"]
