"""What the microscope looks at: a trained network, its sentences, and how good it is.

Shapes: B samples, C channels, H height, W width, A scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from film_rl.analysis.interventions import Measure
from film_rl.errors import did_you_mean
from film_rl.film import FiLMParams
from film_rl.language import lower_case_words
from film_rl.network import FiLMedNetwork


@dataclass(frozen=True)
class Example:
    """A sentence and what it is about.

    Attributes:
        sentence: the sentence.
        picture: bytes (H, W, 3).
        aspect: height of the picture as it is shown, over its width.
        truth: the right choice, where there is one.
    """

    sentence: str
    picture: NDArray[np.uint8]
    aspect: float = 1.0
    truth: str | None = None


@dataclass(frozen=True)
class Subject:
    """A trained network that sentences steer, in evaluation mode.

    Attributes:
        network: the part that is steered.
        sentences: what it is looked at with.
        film: (gamma, beta) of these sentences.
        labels: what to call each of them, by the name of a way to label them.
        training: (gamma, beta) of sentences of the training.
        read: (gamma, beta) of sentences that a user typed; a ValueError where they cannot be read.
        measure: how good the network is now.
        measured: what that number is.
        examples: what to show maps of.
        shown: (gamma, beta) of the examples' sentences.
        scores: of these examples and film_params, a row each: (B, A), before any softmax.
        choices: the names of the A scores.
        parts: the modules that give feature maps (B, C, H, W) while `scores` runs.
        formula: sums of sentences to look at, where the user types none; see `parse_formula`.
    """

    network: FiLMedNetwork
    sentences: Sequence[str]
    film: FiLMParams
    labels: Mapping[str, Sequence[str]]
    training: FiLMParams
    read: Callable[[Sequence[str]], FiLMParams]
    measure: Measure
    measured: str
    examples: Sequence[Example]
    shown: FiLMParams
    scores: Callable[[Sequence[int], FiLMParams], Tensor]
    choices: Sequence[str]
    parts: dict[str, nn.Module]
    formula: str | None = None

    def labels_by(self, name: str) -> list[str]:
        """A label of each sentence: by a way to label them, or by whether a word is in it.

        Raises:
            ValueError: there is no such way, and the word is in no sentence or in all of them.
        """
        if name in self.labels:
            return list(self.labels[name])
        words = [set(lower_case_words(sentence)) for sentence in self.sentences]
        has = [name.lower() in some for some in words]
        if len(set(has)) < 2:
            known = [*self.labels, *sorted(set[str]().union(*words))]
            raise ValueError(
                f"{name!r} does not tell the sentences apart; expected one of "
                f"{', '.join(self.labels) or 'no labels'}, or a word that some of them have"
                f"{did_you_mean(name, known)}"
            )
        return [f"with “{name}”" if one else f"without “{name}”" for one in has]


def block_names(network: FiLMedNetwork) -> list[str]:
    """The names of the conditioned blocks: `block 1` is the first block, conditioned or not."""
    conditioned = enumerate(network.config.conditioned_blocks, start=1)
    return [f"block {number}" for number, steered in conditioned if steered]
