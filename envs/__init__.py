"""BabyAI and MiniGrid worlds: sentences, levels, observations."""
