"""Sentences an agent was never trained on: told as they are, or put together in FiLM's space.

film("go to the red key") := film("... red ball") + film("... blue key") - film("... blue ball")

Perez et al. 2018, section 4.5, for questions; which three sentences: `envs.hold_out.related`.

Shapes: S sentences, T words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from stable_baselines3 import PPO
from torch import Tensor

from agents.evaluation import Engine, evaluate
from agents.extractor import InstructionExtractor
from agents.task import Task
from envs import parse_instruction, tokenize
from envs.grammar import descriptions
from envs.hold_out import Related, read_pairs, related
from film_rl.analysis.arithmetic import analogy
from film_rl.film import FiLMParams
from film_rl.run import UserError

Reader = Callable[[Tensor], FiLMParams]


@contextmanager
def told_by(extractor: InstructionExtractor, reader: Reader | None) -> Iterator[None]:
    """Inside it gamma and beta of sentences are what `reader` makes of them."""
    before, extractor.reader = extractor.reader, reader
    try:
        yield
    finally:
        extractor.reader = before


def by_arithmetic(extractor: InstructionExtractor, triples: Mapping[str, Related]) -> Reader:
    """A reader that tells the sentences of `triples` as kind + color - both, others as they are."""
    known = {tuple(tokenize(sentence)): triple for sentence, triple in triples.items()}

    def read(tokens_ST: Tensor) -> FiLMParams:
        kind, color, both = (_condition(extractor, tokens_ST, known, which) for which in range(3))
        return analogy(kind, color, both)

    return read


def as_another(extractor: InstructionExtractor, triples: Mapping[str, Related]) -> Reader:
    """A reader that tells the sentences of `triples` as their third one: the wrong thing."""
    known = {tuple(tokenize(sentence)): triple for sentence, triple in triples.items()}
    return lambda tokens_ST: _condition(extractor, tokens_ST, known, 2)


def held_out_triples(task: Task) -> dict[str, Related]:
    """The three sentences of training for each held-out sentence.

    Raises:
        UserError: nothing is held out, or for some sentence training has no such three.
    """
    pairs, known = read_pairs(task.hold_out), task.sentences
    triples = {one: related(one, pairs, known) for one in task.held_out().names}
    missing = [sentence for sentence, triple in triples.items() if triple is None]
    if missing:
        raise UserError(
            f"'{missing[0]}' cannot be put together: training has no three sentences that differ "
            "in its colour, its object and both; hold out fewer pairs, or train on more sentences"
        )
    return {sentence: triple for sentence, triple in triples.items() if triple}


def seen_triples(task: Task) -> dict[str, Related]:
    """The like for the sentences of training, each made of others; those that allow it."""
    known = task.sentences
    triples = {}
    for sentence in known:
        pairs = [(d.color or "", d.kind) for d in descriptions(parse_instruction(sentence))]
        if triple := related(sentence, pairs, known):
            triples[sentence] = triple
    return triples


def measure(
    agent: PPO, task: Task, episodes: int, engine: Engine = "tensor"
) -> dict[str, dict[str, Any]]:
    """Success on seen and held-out sentences, told plainly, by arithmetic and as another one.

    Args:
        agent: trained on the task, with gammas and betas.
        task: of its training, with `hold_out`.
        episodes: fresh ones for each row.
        engine: what steps the worlds.

    Returns:
        By row, `sampled` and `argmax` as of `Evaluation.to_json`, and the number of `sentences`.
        The rows of equal sentences are about equal worlds.

    Raises:
        UserError: the agent has no FiLM; nothing is held out, or cannot be put together.
    """
    extractor = film_of(agent)
    held_out, seen = held_out_triples(task), seen_triples(task)
    tasks = {"held out": task.held_out(), "seen": replace(task, names=tuple(seen), hold_out=())}
    if not seen:
        del tasks["seen"]
    rows = {}
    for which, triples in (("seen", seen), ("held out", held_out)):
        readers: dict[str, Reader | None] = {
            "told plainly": None,
            "by arithmetic": by_arithmetic(extractor, triples),
            "told another": as_another(extractor, triples),
        }
        for how, reader in readers.items() if which in tasks else ():
            with told_by(extractor, reader):
                figures = {
                    name: evaluate(
                        agent, tasks[which], episodes, deterministic=argmax, engine=engine
                    ).to_json()
                    for name, argmax in (("sampled", False), ("argmax", True))
                }
            rows[f"{which}, {how}"] = {**figures, "sentences": len(triples)}
    return rows


def film_of(agent: PPO) -> InstructionExtractor:
    """The agent's FiLM-ed network; a UserError where it has no gamma and beta."""
    extractor = agent.policy.features_extractor
    ours = isinstance(extractor, InstructionExtractor)
    if not ours or extractor.network.generator is None or extractor.attends_to:
        raise UserError(
            "the agent has no FiLM parameters of a sentence to add; give a run with --conditioning "
            "film, and with --sentence gru"
        )
    return extractor


def _condition(
    extractor: InstructionExtractor,
    tokens_ST: Tensor,
    known: Mapping[tuple[int, ...], Sequence[str]],
    which: int,
) -> FiLMParams:
    """gamma and beta of one of each sentence's three related ones; its own where it has none."""
    read_ST = torch.zeros_like(tokens_ST)
    for row_T, words in zip(read_ST, tokens_ST.tolist(), strict=True):
        own = tuple(word for word in words if word)
        ids = tokenize(known[own][which]) if own in known else own
        row_T[: len(ids)] = torch.tensor(ids, device=row_T.device)
    return extractor.network.condition(read_ST)
