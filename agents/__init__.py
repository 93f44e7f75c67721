"""FiLM policies for Stable-Baselines3: training with exact resume, evaluation, video.

Names are looked up on first use, so that `agents.config` (a script's `--help`) does without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.config import AgentConfig
    from agents.control import LanguageControl, language_control
    from agents.evaluation import Evaluation, Score, evaluate
    from agents.extractor import FiLMExtractor
    from agents.learner import load_agent
    from agents.policy import FiLMPolicy
    from agents.task import Task
    from agents.training import train
    from agents.video import record_video

__all__ = [
    "AgentConfig",
    "Evaluation",
    "FiLMExtractor",
    "FiLMPolicy",
    "LanguageControl",
    "Score",
    "Task",
    "evaluate",
    "language_control",
    "load_agent",
    "record_video",
    "train",
]

_HOMES = {
    "AgentConfig": "config",
    "Evaluation": "evaluation",
    "FiLMExtractor": "extractor",
    "FiLMPolicy": "policy",
    "LanguageControl": "control",
    "Score": "evaluation",
    "Task": "task",
    "evaluate": "evaluation",
    "language_control": "control",
    "load_agent": "learner",
    "record_video": "video",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agents' has no attribute {name!r}")
    return getattr(import_module(f"agents.{_HOMES[name]}"), name)
