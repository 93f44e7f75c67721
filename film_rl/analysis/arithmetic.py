"""Sums and differences of sentences, in the space of gamma and beta.

Perez et al. 2018, section 4.6: a question about a cyan cube, never met in training, is answered
with film(cyan spheres) + film(brown cubes) - film(brown spheres).

Shapes: B conditions, C features of a block.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from film_rl.film import FiLMParams


def combined(terms: Sequence[tuple[float, FiLMParams]]) -> FiLMParams:
    """The weighted sum of gammas and betas, block by block: sum_k w_k gamma_k and sum_k w_k beta_k.

    With weights that sum to 1 what all terms share stays, such as the 1 in gamma = 1 + delta.

    Args:
        terms: weights and what they weigh: (gamma, beta) of each block, all (B, C).

    Raises:
        ValueError: there is no term, or the terms are not of equal blocks and shapes.
    """
    if not terms:
        raise ValueError("there is nothing to combine; expected one (weight, film_params) or more")
    shapes = [[tuple(p.shape) for pair in film_params for p in pair] for _, film_params in terms]
    if any(one != shapes[0] for one in shapes):
        raise ValueError(
            f"the terms have gammas and betas of shapes {shapes}; expected the same in all of them"
        )
    blocks = zip(*(film_params for _, film_params in terms), strict=True)
    weights = [weight for weight, _ in terms]

    def total(of_terms: Iterable[Tensor]) -> Tensor:
        weighed = [weight * values_BC for weight, values_BC in zip(weights, of_terms, strict=True)]
        return torch.stack(weighed).sum(dim=0)

    return [
        (total(gamma for gamma, _ in block), total(beta for _, beta in block)) for block in blocks
    ]


def analogy(a: FiLMParams, b: FiLMParams, c: FiLMParams) -> FiLMParams:
    """a + b - c: what a is to c, done to b. Perez et al. 2018, section 4.6."""
    return combined([(1, a), (1, b), (-1, c)])


@dataclass(frozen=True)
class Formula:
    """Signed sentences, and the sentence that they should amount to.

    Attributes:
        terms: (+1 or -1, sentence), in the order of the words.
        target: what stands after the equals sign, if anything does.
    """

    terms: tuple[tuple[int, str], ...]
    target: str | None

    def __str__(self) -> str:
        text = " ".join(f"{'+' if sign > 0 else '-'} {sentence}" for sign, sentence in self.terms)
        return text.removeprefix("+ ") + (f" = {self.target}" if self.target else "")


def parse_formula(text: str) -> Formula:
    """Read "A + B - C" or "A + B - C = D", where A to D are sentences.

    Raises:
        ValueError: a sentence is missing, or there is more than one equals sign.
    """
    left, *right = (part.split() for part in re.split(r"(?:^|\s)=(?:\s|$)", text.strip()))
    signed = left if left[:1] in (["+"], ["-"]) else ["+", *left]
    starts = [place for place, word in enumerate(signed) if word in ("+", "-")]
    terms = tuple(
        (1 if signed[start] == "+" else -1, " ".join(signed[start + 1 : end]))
        for start, end in zip(starts, [*starts[1:], None], strict=True)
    )
    targets = [" ".join(words) for words in right]
    if len(targets) > 1 or not all([*(sentence for _, sentence in terms), *targets]):
        raise ValueError(
            f"cannot read the formula {text!r}; expected sentences with + or - between them, such "
            'as "go to the red ball + go to the blue key - go to the blue ball = go to the red key"'
        )
    return Formula(terms, targets[0] if targets else None)
