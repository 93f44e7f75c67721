"""Programs as tensors: their functions in prefix order, as the reference writes them.

The root comes first, then the tree of each of its inputs: `count filter_color[red] scene`. Such a
sequence says itself where it ends, so it needs no end token. Ids are 1 and up, 0 pads.

Source: Johnson et al. 2017, "Inferring and Executing Programs for Visual Reasoning".

Shapes: N questions, P functions of the longest program.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqa.execute import FUNCTIONS
from vqa.tokens import PROGRAM_TOKENS

LONGEST = 27  # functions; the official programs have at most 25
SCENE = PROGRAM_TOKENS.index("scene") + 1
ARITY = (0, *(len(FUNCTIONS[token.partition("[")[0]].takes) for token in PROGRAM_TOKENS))
"""How many inputs the function of each id takes; 0 for the padding."""

_IDS = {token: index for index, token in enumerate(PROGRAM_TOKENS, start=1)}


def prefix_ids(program: Sequence[dict[str, Any]]) -> list[int]:
    """The ids of a program in the official form; none where a function is not official CLEVR's."""
    ids: list[int] = []
    waiting = [len(program) - 1] if program else []
    while waiting:
        node = program[waiting.pop()]
        values = node["value_inputs"]
        token = f"{node['function']}[{values[0]}]" if values else node["function"]
        if token not in _IDS:
            return []
        ids.append(_IDS[token])
        waiting.extend(reversed(node["inputs"]))
    return ids


def program_tensor(questions: Iterable[dict[str, Any]]) -> Tensor:
    """The programs of questions as ids (N, P), all 0 for a question without one."""
    rows = [prefix_ids(question.get("program") or ()) for question in questions]
    programs_NP = np.zeros((len(rows), max([1, *map(len, rows)])), np.int8)
    for row, ids in zip(programs_NP, rows, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(programs_NP)
