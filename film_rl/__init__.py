"""FiLM: feature-wise linear modulation. The core: one network steers another."""
