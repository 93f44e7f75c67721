"""Sums and differences of sentences, in the space of gamma and beta.

Perez et al. 2018, section 4.5: a question about a cyan cube, never met in training, is answered
with film(cyan spheres) + film(brown cubes) - film(brown spheres).

Shapes: B conditions, C features of a block.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

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
    """a + b - c: what a is to c, done to b. Perez et al. 2018, section 4.5."""
    return combined([(1, a), (1, b), (-1, c)])


def distances(to: FiLMParams, film_params: FiLMParams) -> Tensor:
    """Euclidean distance of each of B conditions to one, over gamma and beta of all blocks: (B,).

    Args:
        to: (gamma, beta) of each block of one condition, (1, C).
        film_params: those of B conditions, (B, C).
    """
    distance_B: Tensor = torch.linalg.vector_norm(_row(film_params) - _row(to), dim=1)
    return distance_B


def analogies_found(
    film_params: FiLMParams, first: Sequence[str], second: Sequence[str]
) -> dict[str, float]:
    """How often a + b - c lies nearest to d, where d has one label of a and the other of b.

    For every two values of each label, a = (x, y'), b = (x', y), c = (x', y') and d = (x, y): the
    nearest condition is looked for among all but a, b and c, as is usual for words (Mikolov et al.
    2013).

    Args:
        film_params: (gamma, beta) of each block, (B, C), of one condition each pair of labels.
        first: a label of each condition, such as a colour.
        second: another one, such as an object.

    Returns:
        `analogies`, how many there are; `nearest`, the share in which d was; `chance`.

    Raises:
        ValueError: two conditions have both labels alike, or there is no analogy.
    """
    rows_BD, places = _row(film_params), {}
    for place, labels in enumerate(zip(first, second, strict=True)):
        if labels in places:
            raise ValueError(f"two conditions are both {labels}; expected one")
        places[labels] = place
    hits = []
    for (x, y), (other_x, other_y) in permutations(places, 2):
        if x != other_x and y != other_y and {(x, other_y), (other_x, y)} <= places.keys():
            a, b, c = places[x, other_y], places[other_x, y], places[other_x, other_y]
            guess_D = rows_BD[a] + rows_BD[b] - rows_BD[c]
            distance_B = (rows_BD - guess_D).norm(dim=1)
            distance_B[[a, b, c]] = float("inf")
            hits.append(int(distance_B.argmin()) == places[x, y])
    if not hits:
        raise ValueError("the labels make no analogy; expected two values of each in all pairs")
    nearest = sum(hits) / len(hits)
    return {"analogies": len(hits), "nearest": nearest, "chance": 1 / (len(rows_BD) - 3)}


def _row(film_params: FiLMParams) -> Tensor:
    return torch.cat([p.detach().double().cpu() for pair in film_params for p in pair], dim=1)


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
