"""Every row of the paper's ablations as a change of a configuration. Free of torch.

Perez et al. 2018, tables 2 and 3: accuracies in percent on CLEVR's validation set; and what the
first author looked back on in 2019 ("FiLM: Visual Reasoning with a General Conditioning Layer",
ML Retrospectives).

The paper's network has four blocks. Where this one has B, "no FiLM in block 4" leaves FiLM in the
first B - 1 blocks, "3-4" in the first B - 2, but in one at least, "2-4" in the first, and "1-4" in
none: with three blocks 3-4 and 2-4 are the same network.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from vqa.config import VQAConfig

Part = Literal["table 2", "table 3", "retrospective"]
PENALTY = 0.01  # the retrospective names TADAM's decay (Oreshkin et al. 2018), and no weight


@dataclass(frozen=True)
class Variant:
    """A change of the network or of its training.

    Attributes:
        part: the table it is a row of.
        title: what it is called there.
        change: makes it of a configuration.
        published: its accuracy in percent, a remark where there is no number, or None.
    """

    part: Part
    title: str
    change: Callable[[VQAConfig], VQAConfig]
    published: float | str | None = None


def _with(**options: object) -> Callable[[VQAConfig], VQAConfig]:
    return partial(replace, **options)


# Without FiLM these change nothing; the system without it does not take them.
_OF_FILM: dict[str, Any] = {
    name: getattr(VQAConfig(), name)
    for name in ("gamma_fn", "generator", "placement", "film_blocks", "film_penalty")
}


def _film_in_first(kept: int, config: VQAConfig) -> VQAConfig:
    """FiLM in the blocks that the paper's four-block network keeps it in, mapped to this depth."""
    if kept == 0:
        return replace(config, system="none", **_OF_FILM)
    first = 1 if kept == 1 else max(1, config.blocks - 4 + kept)
    blocks = tuple(block < first for block in range(config.blocks))
    return replace(config, film_blocks=None if all(blocks) else blocks)


def _pixels(config: VQAConfig) -> VQAConfig:
    """Read pixels; from features the paper's stem of four convolutions takes their place."""
    if config.inputs == "pixels":
        return config
    return replace(config, inputs="pixels", stem_layers=4, stem_kernel_size=3)


def _depth(blocks: int) -> Variant:
    published = {1: 93.5, 2: 97.1, 3: 96.7, 4: 97.4, 5: 97.4, 6: 97.7, 7: 97.4, 8: 97.6, 12: 96.9}
    title = f"{blocks} block{'s' * (blocks > 1)}"
    change = _with(blocks=blocks, film_blocks=None)
    return Variant("table 3", title, change, published[blocks])


VARIANTS: dict[str, Variant] = {
    "film": Variant("table 2", "FiLM as it is", _with(), 97.4),
    "beta-zero": Variant("table 2", "beta := 0", _with(system="scale"), 96.9),
    "gamma-one": Variant("table 2", "gamma := 1", _with(system="bias"), 95.9),
    "gamma-sigmoid": Variant("table 2", "gamma := sigmoid(gamma)", _with(gamma_fn="sigmoid"), 95.9),
    "gamma-tanh": Variant("table 2", "gamma := tanh(gamma)", _with(gamma_fn="tanh"), 96.3),
    "gamma-exp": Variant("table 2", "gamma := exp(gamma)", _with(gamma_fn="exp"), 96.3),
    "after-residual": Variant(
        "table 2", "FiLM after the residual sum", _with(placement="after_residual"), 96.6
    ),
    "after-relu2": Variant("table 2", "FiLM after ReLU-2", _with(placement="after_relu2"), 97.7),
    "after-conv2": Variant("table 2", "FiLM after Conv-2", _with(placement="after_conv2"), 97.1),
    "before-conv1": Variant("table 2", "FiLM before Conv-1", _with(placement="before_conv1"), 95.0),
    "no-film-4": Variant("table 2", "no FiLM in block 4", partial(_film_in_first, 3), 96.8),
    "no-film-3-4": Variant("table 2", "no FiLM in blocks 3-4", partial(_film_in_first, 2), 96.5),
    "no-film-2-4": Variant("table 2", "no FiLM in blocks 2-4", partial(_film_in_first, 1), 97.3),
    "no-film-1-4": Variant("table 2", "no FiLM in blocks 1-4", partial(_film_in_first, 0), 21.4),
    "one-by-one": Variant(
        "table 2", "1x1 convolutions, no coordinate maps",
        _with(kernel_size=1, stem_kernel_size=1, coords=False), 95.3,
    ),
    "no-residual": Variant("table 2", "no residual connection", _with(residual=False), 94.0),
    "no-batch-norm": Variant("table 2", "no batch normalisation", _with(norm="none"), 93.7),
    "raw-pixels": Variant("table 2", "raw pixels in place of features", _pixels, 97.6),
    **{f"depth-{blocks}": _depth(blocks) for blocks in (*range(1, 9), 12)},
    "no-weight-decay": Variant(
        "retrospective", "weight decay off", _with(weight_decay=0.0), "about 10 points less"
    ),
    "linear-generator": Variant("retrospective", "linear generator", _with(generator="linear")),
    "mlp-generator": Variant("retrospective", "MLP generator", _with(generator="mlp")),
    "recurrent-generator": Variant(
        "retrospective", "recurrent generator", _with(generator="recurrent"),
        "a linear one was a key addition against overfitting",
    ),
    "penalty": Variant(
        "retrospective", f"penalty on gamma - 1 and beta, weight {PENALTY}",
        _with(film_penalty=PENALTY),
    ),
    "early-film": Variant(
        "retrospective", "one FiLM layer, in the first block", partial(_film_in_first, 1),
        "about as good as four",
    ),
}  # fmt: skip


def variants_of(parts: Collection[Part]) -> list[str]:
    """The names of these tables' rows."""
    return [name for name, variant in VARIANTS.items() if variant.part in parts]


def run_name(name: str, config: VQAConfig) -> str:
    """What the runs of a variant are called: variants that are one network here share their runs.

    A network of table 1 has its system's name there too: without beta FiLM is `scale`. Else the
    first of the variants gives the name, whichever are asked for: with three blocks `no-film-2-4`
    is `no-film-3-4`.
    """
    changed = VARIANTS[name].change(config)
    if changed == replace(config, system=changed.system):
        return changed.system
    return next(one for one in VARIANTS if VARIANTS[one].change(config) == changed)
