"""Weights to begin with: those of another run, wherever name and shape agree (`--init-from`).

A run of an agent gives all that a policy of the same network has. A run of the CLEVR question
answerer gives what the two have in common, the FiLM core: its `network` is the extractor's, both a
`film_rl.FiLMedNetwork`. Where the words of the two differ, only the embeddings of words that both
know are taken. Steps, learning rate and Adam's moments begin anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from envs import WORDS
from film_rl.run import Checkpointer, RunFolder, UserError
from film_rl.run.files import read_json

ALIASES = ("pi_features_extractor.", "vf_features_extractor.")  # SB3 lists a shared one thrice
CORE = "features_extractor."  # what a question answerer's `network` is part of, in a policy
OWN_WORDS = ("", *WORDS)  # by id; 0 is padding


@dataclass(frozen=True)
class Source:
    """What a run has to give.

    Attributes:
        origin: the run, its step, and the SHA-256 of its tensors' file.
        tensors: by the names that a policy gives them.
        words: of its word embedding, by id.
    """

    origin: dict[str, Any]
    tensors: dict[str, Tensor]
    words: Sequence[str]


@dataclass(frozen=True)
class Start:
    """What a policy took from a run.

    Attributes:
        source: the run.
        taken: the policy's tensors that were, and of which part where not of the whole.
        left: the others, and why.
        unused: what the run has beside them.
    """

    source: Source
    taken: dict[str, str]
    left: dict[str, str]
    unused: list[str]

    def origin(self) -> dict[str, Any]:
        """As it stands in start.json."""
        own = {"taken": self.taken, "left": self.left, "unused": self.unused}
        return self.source.origin | own

    def __str__(self) -> str:
        rows = [("taken", name, part) for name, part in self.taken.items()]
        rows += [("not taken", name, why) for name, why in self.left.items()]
        rows += [("not used", name, "no such tensor here") for name in self.unused]
        width = max(len(name) for _, name, _ in rows)
        table = "\n".join(f"  {what:9s}  {name:{width}s}  {why}" for what, name, why in rows)
        origin, number = self.source.origin, len(self.taken) + len(self.left)
        return (
            f"weights of {origin['run']} after {origin['step']:,} steps: "
            f"{len(self.taken)} of {number} tensors taken\n{table}"
        )


def start_from(policy: nn.Module, run: str | Path) -> Start:
    """Put a policy's weights to those of a run, wherever name and shape agree.

    Raises:
        UserError: the run is neither an agent's nor a question answerer's, has no checkpoint, or
            nothing of it fits.
    """
    source = read_source(run)
    here = _once(policy.state_dict())  # the tensors themselves, not copies
    taken: dict[str, str] = {}
    left: dict[str, str] = {}
    for name, tensor in here.items():
        part = _part(name, tensor, source)
        if isinstance(part, str):
            left[name] = part
            continue
        own, others, what = part
        with torch.no_grad():
            tensor[own] = source.tensors[name][others].to(tensor)
        taken[name] = what
    start = Start(source, taken, left, [name for name in source.tensors if name not in here])
    if not taken:
        raise UserError(f"--init-from {run} has nothing that fits; give another run\n{start}")
    return start


def read_source(path: str | Path) -> Source:
    """The weights of a run's newest good checkpoint; errors as of `start_from`."""
    run = RunFolder.existing(path)
    checkpoint = Checkpointer(run.checkpoints).load()
    if checkpoint is None:
        raise UserError(f"--init-from {path}: the run has no checkpoint yet; train it first")
    learner = checkpoint.state.get("learner", {})
    words: Sequence[str] = OWN_WORDS
    if "policy" in learner:
        tensors = _once(learner["policy"])
    elif "model" in learner:
        tensors = {f"{CORE}{name}": tensor for name, tensor in learner["model"].items()}
        words = _question_words(run.path / "vocab.json")
    else:
        raise UserError(
            f"--init-from {path}: the run trained neither an agent nor a question answerer; give "
            "one of babyai_ppo.py or clevr_train.py"
        )
    origin = {"run": str(path), "step": checkpoint.step, "tensors_sha256": checkpoint.sha256}
    return Source(origin, tensors, words)


Part = tuple[Any, Any, str]
"""Which rows here and which there (an index each), and what to call them."""


def _part(name: str, here: Tensor, source: Source) -> Part | str:
    """What of a tensor can be taken; why nothing, where that is so."""
    there = source.tensors.get(name)
    if there is None:
        return "that run has no such tensor"
    of_words = name.endswith("encoder.embedding.weight") and tuple(source.words) != OWN_WORDS
    if here.shape[of_words:] != there.shape[of_words:] or here.ndim != there.ndim:
        return f"{_shape(there)} there, {_shape(here)} here"
    if not of_words:
        return ..., ..., _shape(here)
    both = [word for word in WORDS if word in source.words]
    if not both:
        return "that run knows other words, and none of these"
    rows = [OWN_WORDS.index(word) for word in both], [source.words.index(word) for word in both]
    return *rows, f"rows of the {len(both)} of {len(WORDS)} words that it knows: {' '.join(both)}"


def _once(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(ALIASES)}


def _question_words(path: Path) -> list[str]:
    """A question answerer's tokens, by id."""
    content = read_json(path)
    ids = content.get("question_token_to_idx") if isinstance(content, dict) else None
    if not isinstance(ids, dict) or sorted(ids.values()) != [*range(len(ids))]:
        raise UserError(f"{path}: has no 'question_token_to_idx' with the ids of the tokens")
    return sorted(ids, key=lambda token: int(ids[token]))


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
