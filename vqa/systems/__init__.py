"""The systems that table 1 of the FiLM paper compares, and later ones: all by one calling form.

A system is built from the configuration and called as a `QuestionAnswerer` is:
`model(images_BCHW, tokens_QT, image_of_question_Q, length_Q) -> logits (Q, A)`. One trainer trains
it, one evaluation measures it. Their sizes in each preset are in `vqa.sizes`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial

from torch import nn

from film_rl.errors import did_you_mean
from film_rl.run import UserError
from vqa.batches import QuestionTable
from vqa.config import VQAConfig
from vqa.model import QuestionAnswerer
from vqa.systems import lstm, prior
from vqa.systems.cbn import ConditionalResNet
from vqa.systems.cnn_lstm import ImageAndQuestion
from vqa.systems.mac import MAC
from vqa.systems.multihop import MultiHop
from vqa.systems.pg_ee import ProgramAnswerer
from vqa.systems.rn import RelationNetwork
from vqa.systems.sa import StackedAttention

Build = Callable[[VQAConfig, int, int], nn.Module]

FILM = "Perez et al. 2018, FiLM: Visual Reasoning with a General Conditioning Layer"
CLEVR = "Johnson et al. 2017, CLEVR, section 4.1"

# Options of the network that not every system has: changed, they would do nothing there.
PARTICULAR = {
    "conditioning", "gamma_fn", "generator", "film_penalty", "placement", "film_blocks",
    "residual", "norm", "kernel_size", "sentence_layers",
}  # fmt: skip


@dataclass(frozen=True)
class System:
    """A way to answer questions about images.

    Attributes:
        title: its name in tables.
        build: makes it from the configuration, the number of tokens, and that of answers.
        source: the paper it is from.
        published: its row in `vqa.evaluation.PUBLISHED`; None where there is none.
        has: which of the PARTICULAR options it has.
        needs_programs: whether it learns from the questions' programs.
        sees: whether it looks at the image.
    """

    title: str
    build: Build
    source: str
    published: str | None = None
    has: frozenset[str] = frozenset()
    needs_programs: bool = False
    sees: bool = True


def _conditioned(how: str, config: VQAConfig, vocab_size: int, num_answers: int) -> nn.Module:
    return QuestionAnswerer(replace(config, conditioning=how), vocab_size, num_answers)  # type: ignore[arg-type]


def _instead_of_film(title: str, how: str, *lacks: str) -> System:
    has = PARTICULAR - {"conditioning", "gamma_fn", "sentence_layers", *lacks}
    return System(
        title, partial(_conditioned, how), f"{FILM}, sections 3 and 4.3", has=frozenset(has)
    )


SYSTEMS: dict[str, System] = {
    "prior": System(
        "question-type prior", prior.build, f"{CLEVR} (Q-type mode)", "Q-type baseline",
        needs_programs=True, sees=False,
    ),
    "lstm": System(
        "LSTM", lstm.build, f"{CLEVR} (LSTM)", "LSTM", frozenset({"sentence_layers"}), sees=False
    ),
    "cnn_lstm": System(
        "CNN+LSTM", ImageAndQuestion, f"{CLEVR} (CNN+LSTM)", "CNN+LSTM",
        frozenset({"sentence_layers"}),
    ),
    "sa": System(
        "CNN+LSTM+SA", StackedAttention,
        "Yang et al. 2016, Stacked Attention Networks for Image Question Answering",
        "CNN+LSTM+SA", frozenset({"sentence_layers"}),
    ),
    "rn": System(
        "RN", RelationNetwork,
        "Santoro et al. 2017, A simple neural network module for relational reasoning",
        "CNN+LSTM+RN",
    ),
    "mac": System(
        "MAC", MAC,
        "Hudson and Manning 2018, Compositional Attention Networks for Machine Reasoning", "MAC",
    ),
    "pg_ee": System(
        "PG+EE", ProgramAnswerer,
        "Johnson et al. 2017, Inferring and Executing Programs for Visual Reasoning",
        "PG+EE (700K prog.)", frozenset({"sentence_layers"}), needs_programs=True,
    ),
    "cbn": System(
        "conditional batch norm", ConditionalResNet,
        "de Vries et al. 2017, Modulating early visual processing by language", "CNN+GRU+CBN",
        frozenset({"residual", "kernel_size"}),
    ),
    "multihop": System(
        "multi-hop FiLM", MultiHop,
        "Strub et al. 2018, Visual Reasoning with Multi-hop Feature Modulation",
        has=frozenset(PARTICULAR - {"conditioning", "generator", "sentence_layers"}),
    ),
    "none": _instead_of_film(
        "no conditioning", "none", "placement", "film_blocks", "generator", "film_penalty"
    ),
    "concat": _instead_of_film("concatenation", "concat", "placement"),
    "bias": _instead_of_film("conditional bias", "bias"),
    "scale": _instead_of_film("conditional scale", "scale"),
    "gate": _instead_of_film("sigmoid gate", "gate"),
    "film": System(
        "FiLM", QuestionAnswerer, FILM, "CNN+GRU+FiLM", frozenset(PARTICULAR - {"sentence_layers"})
    ),
}  # fmt: skip


def build_system(config: VQAConfig, vocab_size: int, num_answers: int) -> nn.Module:
    """The configured system, fresh.

    Raises:
        UserError: there is no such system, or it lacks an option that was changed.
    """
    check_system(config)
    return SYSTEMS[config.system].build(config, vocab_size, num_answers)


def check_system(config: VQAConfig) -> None:
    """Refuse a system that does not exist, and options that it does not have.

    Raises:
        UserError: what was typed, and what to type.
    """
    check_name(config.system, "--system")
    for field in fields(VQAConfig):
        having = [name for name, system in SYSTEMS.items() if field.name in system.has]
        if field.name not in PARTICULAR or config.system in having:
            continue
        if getattr(config, field.name) != field.default:
            raise UserError(
                f"--system {config.system} has nothing for --{field.name.replace('_', '-')} to "
                f"change; leave that out, or choose a system that has: {', '.join(having)}"
            )


def check_name(name: str, option: str) -> None:
    """Raise a UserError unless there is a system of that name, which was typed with an option."""
    if name not in SYSTEMS:
        raise UserError(
            f"{option} {name} is unknown; expected one of {', '.join(SYSTEMS)}"
            f"{did_you_mean(name, SYSTEMS)}"
        )


def check_programs(config: VQAConfig, table: QuestionTable) -> None:
    """Refuse questions without programs where the system learns from them.

    Raises:
        UserError: which question has none.
    """
    if SYSTEMS[config.system].needs_programs:
        without = (table.programs[:, 0] == 0).nonzero()
        if len(without):
            raise UserError(
                f"--system {config.system} learns from programs, and question {int(without[0])} of "
                "the training has none that official CLEVR could have; train on a folder whose "
                "questions have programs, or type --system film"
            )
