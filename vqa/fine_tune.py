"""Fine-tuning: training that goes on from a trained network, on other data.

`tune="all"` changes every parameter; `tune="film"` only the sentence encoder and the generator,
what makes gamma and beta. Stem, blocks and classifier are then frozen in earnest: no gradient,
no weight decay, and batch norms in evaluation mode, so that what they have measured stays too.

A word that the trained network does not know gets an embedding of its own, drawn from
N(0, 0.01^2); the rows of known words, and all ids, stay as they are.

Perez et al. 2018, sections 4.4 (CLEVR-Humans) and 4.5 (CoGenT).
"""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from film_rl import FiLMedNetwork
from film_rl.run import Checkpointer, RunFolder, UserError
from film_rl.run.config import config_to_json
from vqa.config import VQAConfig
from vqa.dataset import Dataset
from vqa.learner import Learner
from vqa.prepare import fresh_learner, vocabulary_of
from vqa.systems import build_system
from vqa.tokens import QuestionVocabulary
from vqa.training import load_weights, trained

NEW_WORD = 0.01  # standard deviation of a new word's embedding

# What a fine-tuning may choose for itself; all else is the network's, and as it was.
OWN = {
    *("data", "train_split", "val_split", "cache", "train_images", "val_images", "val_skip"),
    *("train_share", "max_objects", "per_image", "easy_per_image", "feature_weights"),
    *("start", "tune", "word_threshold", "steps", "epochs", "seed", "batch_size", "share"),
    *("first", "easy", "learning_rate", "warmup", "fall", "weight_decay", "film_penalty", "clip"),
    *("shift", "patience", "baseline_steps", "device", "threads", "precision", "workers"),
    *("log_every", "eval_every", "checkpoint_every"),
}


class Beginning(NamedTuple):
    """What a training begins with; `origin` is the checkpoint it starts from, None for a fresh one.

    A run that has checkpoints of its own begins with those: its origin is None too.
    """

    learner: Learner
    vocabulary: QuestionVocabulary
    origin: dict[str, Any] | None


def continued(config: VQAConfig, start: Path) -> VQAConfig:
    """The configuration that goes on from a run: on its data, without curriculum and baseline.

    Args:
        config: of the run.
        start: its folder, which need not be there yet.
    """
    own = {"train_share": 1.0, "first": 0.0, "easy": 0.0, "easy_per_image": 0, "baseline_steps": 0}
    fresh = {"start": str(start), "tune": "all", "word_threshold": 1}
    return VQAConfig(**{**vars(config), **own, **fresh})


def check_start(config: VQAConfig) -> None:
    """Find out whether the run to start from can be, before anything is written.

    Raises:
        UserError: it is no run of the question answerer, is not trained, or is another network;
            FiLM's parts are to be tuned and it has none.
    """
    if config.start is None:
        return
    run = RunFolder.existing(config.start)
    before, now = (config_to_json(one) for one in (run.config(VQAConfig), config))
    changed = [name for name in before if name not in OWN and before[name] != now[name]]
    if changed:
        listed = ", ".join(f"{name} {before[name]!r}, not {now[name]!r}" for name in changed)
        raise UserError(f"--start {run.path} is another network: it has {listed}")
    if config.tune == "film":
        with torch.device("meta"):
            film_parts(build_system(config, vocab_size=4, num_answers=1))
    trained(run.config(VQAConfig), run)
    QuestionVocabulary.load(run.path / "vocab.json")


def begin(config: VQAConfig, train_data: Dataset, run: RunFolder) -> Beginning:
    """The network that a run trains and its vocabulary: fresh, or those of the run to start from.

    Args:
        config: of the run.
        train_data: what it trains on, whose words are to be known.
        run: where its checkpoints are, if it has any yet.

    Raises:
        UserError: the run to start from cannot be, see `check_start`.
    """
    if config.start is None:
        vocabulary = vocabulary_of(train_data)
        return Beginning(fresh_learner(config, vocabulary), vocabulary, None)
    origin = None
    if Checkpointer(run.checkpoints).load() is None:
        learner, vocabulary, origin = _from_start(config, train_data)
    else:  # what it started from may be gone by now
        vocabulary = QuestionVocabulary.load(run.path / "vocab.json")
        learner = fresh_learner(config, vocabulary)
    if config.tune == "film":
        learner.tune(*film_parts(learner.model))
    return Beginning(learner, vocabulary, origin)


def film_parts(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """What makes gamma and beta: the sentence encoder and the generator.

    Raises:
        UserError: the model has none.
    """
    network = getattr(model, "network", None)
    if not isinstance(network, FiLMedNetwork) or network.generator is None:
        raise UserError(
            f"--tune film: a {type(model).__name__} of this configuration has no FiLM generator; "
            "start from a run that has one (--system film), or type --tune all"
        )
    assert network.encoder is not None
    return network.encoder, network.generator


def with_new_words(
    state: dict[str, Tensor], model: nn.Module, known: int, seed: int
) -> dict[str, Tensor]:
    """A state whose embeddings of `known` words have the new words of `model` too.

    Args:
        state: of a model that knows fewer words.
        model: the larger one.
        known: rows of the embeddings in `state`.
        seed: of the new rows, from N(0, NEW_WORD^2).
    """
    generator, grown = torch.Generator().manual_seed(seed), dict(state)
    for name, module in model.named_modules():
        key = f"{name}.weight"
        if isinstance(module, nn.Embedding) and key in state and len(state[key]) == known:
            shape = module.num_embeddings - known, module.embedding_dim
            new = NEW_WORD * torch.randn(shape, generator=generator)
            grown[key] = torch.cat([state[key], new])
    return grown


def _from_start(config: VQAConfig, train_data: Dataset) -> Beginning:
    check_start(config)
    source = RunFolder.existing(str(config.start))
    checkpoint = trained(source.config(VQAConfig), source)
    known = QuestionVocabulary.load(source.path / "vocab.json")
    questions = (question["question"] for question in train_data.questions)
    vocabulary = known.expand(questions, config.word_threshold)
    learner = fresh_learner(config, vocabulary)
    state = checkpoint.state["learner"]["model"]
    load_weights(learner, with_new_words(state, learner.model, len(known), config.seed), source)
    origin = {
        "run": str(source.path),
        "step": checkpoint.step,
        "tensors_sha256": checkpoint.sha256,
        "words": len(known),
        "new_words": len(vocabulary) - len(known),
    }
    return Beginning(learner, vocabulary, origin)
