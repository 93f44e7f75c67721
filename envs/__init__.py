"""BabyAI and MiniGrid worlds: sentences, levels, observations."""

from envs.errors import EnvError
from envs.grammar import MAX_WORDS, WORDS, InstructionError, parse_instruction, tokenize

__all__ = [
    "MAX_WORDS",
    "WORDS",
    "EnvError",
    "InstructionError",
    "parse_instruction",
    "tokenize",
]
