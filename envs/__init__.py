"""BabyAI and MiniGrid worlds: sentences, levels, observations."""

from envs.errors import EnvError
from envs.grammar import MAX_WORDS, WORDS, InstructionError, parse_instruction, tokenize
from envs.make import level_ids, make_env
from envs.observation import InstructionObservation
from envs.sentence_level import SentenceLevel
from envs.slots import expand

__all__ = [
    "MAX_WORDS",
    "WORDS",
    "EnvError",
    "InstructionError",
    "InstructionObservation",
    "SentenceLevel",
    "expand",
    "level_ids",
    "make_env",
    "parse_instruction",
    "tokenize",
]
