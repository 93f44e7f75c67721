"""What the scripts that work on a trained question answerer have in common: which one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinds import run_of

if TYPE_CHECKING:
    from film_rl.run import RunFolder
    from vqa.config import VQAConfig
    from vqa.learner import Learner
    from vqa.tokens import QuestionVocabulary


@dataclass(frozen=True)
class TrainedAnswerer:
    """Which question answerer."""

    run: Path
    """The run folder."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def load(self) -> tuple["RunFolder", "Learner", "VQAConfig", "QuestionVocabulary"]:
        """The run folder, the network as training left it, its configuration, its vocabulary."""
        from vqa.prepare import load_answerer

        run = run_of("question answerer", self.run)
        return run, *load_answerer(run, self.device)
