"""CLEVR visual reasoning on the FiLM core: its data, made or as released.

Names are looked up on first use, so that `vqa.config` (a script's `--help`) does without torch.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqa.execute import execute
    from vqa.parse import parse_question
    from vqa.questions import load_questions
    from vqa.scenes import load_scenes

__all__ = ["execute", "load_questions", "load_scenes", "parse_question"]

_HOMES = {
    "execute": "execute",
    "load_questions": "questions",
    "load_scenes": "scenes",
    "parse_question": "parse",
}


class _Package(ModuleType):
    """Keeps `vqa.execute` the function: importing the module of that name would hide it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _HOMES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vqa' has no attribute {name!r}")
    return getattr(import_module(f"vqa.{_HOMES[name]}"), name)
