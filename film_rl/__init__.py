"""FiLM: feature-wise linear modulation. The core: one network steers another."""

from film_rl.block import FiLMedResBlock
from film_rl.film import FiLM, FiLMGenerator, FiLMParams, film, film_penalty
from film_rl.language import SentenceEncoder, Vocabulary
from film_rl.network import (
    FeatureStemConfig,
    FiLMedNetwork,
    GeneratorConfig,
    GridStemConfig,
    NetworkConfig,
    PixelStemConfig,
    SentenceConfig,
)
from film_rl.stems import FeatureStem, GridStem, PixelStem

__all__ = [
    "FeatureStem",
    "FeatureStemConfig",
    "FiLM",
    "FiLMGenerator",
    "FiLMParams",
    "FiLMedNetwork",
    "FiLMedResBlock",
    "GeneratorConfig",
    "GridStem",
    "GridStemConfig",
    "NetworkConfig",
    "PixelStem",
    "PixelStemConfig",
    "SentenceConfig",
    "SentenceEncoder",
    "Vocabulary",
    "film",
    "film_penalty",
]
