"""CLEVR visual reasoning on the FiLM core: its data, made or as released."""

from typing import Any

from vqa.execute import execute
from vqa.questions import load_questions
from vqa.scenes import load_scenes

__all__ = ["execute", "load_questions", "load_scenes", "parse_question"]


def __getattr__(name: str) -> Any:
    # The parser builds its grammar when imported, which those who only read data need not wait for.
    if name == "parse_question":
        from vqa.parse import parse_question  # noqa: PLC0415

        return parse_question
    raise AttributeError(f"module 'vqa' has no attribute {name!r}")
