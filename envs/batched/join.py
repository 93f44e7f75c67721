"""Banks made to fit each other, so that levels of one can stand among those of another."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from envs.batched.bank import LevelBank
from envs.batched.cells import EMPTY
from envs.batched.record import Row
from envs.errors import EnvError


def aligned(banks: Sequence[LevelBank], sentences: list[str] | None = None) -> list[LevelBank]:
    """The same levels, each bank with the list of sentences and the width of contents of all.

    Args:
        banks: on one device.
        sentences: the list to take; if not given, what the levels say, each once, sorted.

    Raises:
        EnvError: if their grids differ in size, or only some wait for the action "done", or
            `sentences` lacks one that a level says.
    """
    for bank in banks[1:]:
        _check_alike(banks[0], bank)
    said = set().union(*map(_said, banks))
    sentences = sorted(said) if sentences is None else sentences
    places = {sentence: place for place, sentence in enumerate(sentences)}
    if missing := sorted(said - places.keys()):
        raise EnvError(f"the bank has no sentence {missing[0]!r}; these are not its worlds' levels")
    width = max(bank.contents.shape[1] for bank in banks)
    return [_fitted(bank, places, width) for bank in banks]


def stacked(banks: Sequence[LevelBank]) -> LevelBank:
    """One bank of the levels of several, in their order; of banks that are `aligned`."""
    return replace(
        banks[0],
        cells=torch.cat([bank.cells for bank in banks]),
        record=torch.cat([bank.record for bank in banks], dim=1),
        contents=torch.cat([bank.contents for bank in banks]),
        solvable=torch.cat([bank.solvable for bank in banks]),
    )


def _check_alike(one: LevelBank, other: LevelBank) -> None:
    if (one.width, one.height) != (other.width, other.height):
        raise EnvError(
            f"grids of {one.width} x {one.height} and of {other.width} x {other.height}; levels "
            "that join a bank must have grids of its size"
        )
    if one.done_actions != other.done_actions:
        raise EnvError("BABYAI_DONE_ACTIONS differs between two banks; make both with the same")


def _said(bank: LevelBank) -> set[str]:
    return {bank.sentences[place] for place in bank.record[Row.SENTENCE].unique().tolist()}


def _fitted(bank: LevelBank, places: dict[str, int], width: int) -> LevelBank:
    new = torch.tensor([places.get(sentence, -1) for sentence in bank.sentences])
    record = bank.record.clone()
    record[Row.SENTENCE] = new.to(record)[bank.sentence_of_level]
    return replace(
        bank, record=record, contents=_widened(bank.contents, width), sentences=[*places]
    )


def _widened(contents_LK: Tensor, width: int) -> Tensor:
    missing = width - contents_LK.shape[1]
    return torch.nn.functional.pad(contents_LK, (0, missing), value=EMPTY)
