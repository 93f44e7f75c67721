"""The FiLM layer, and the generator that predicts its gamma and beta from a condition.

Shapes: B batch, D condition, C features (channels) of one block, X all outputs of one block.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from film_rl.errors import check_choice

FiLMParams = list[tuple[Tensor, Tensor]]
"""One (gamma_BC, beta_BC) per conditioned block, first block first."""

GeneratorKind = Literal["linear", "mlp", "recurrent"]
GammaFn = Literal["identity", "sigmoid", "tanh", "exp"]
_GAMMA_FNS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda gamma: gamma,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
}


def film(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """FiLM(x) = gamma * x + beta, one gamma and one beta per sample and feature.

    Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer", equation 2.

    Args:
        x: features (B, C, ...), with any number of trailing axes.
        gamma: scales (B, C).
        beta: shifts (B, C).

    Returns:
        Modulated features, of the shape of x.

    Raises:
        ValueError: gamma or beta is not (B, C).
    """
    if x.ndim < 2 or not gamma.shape == beta.shape == x.shape[:2]:
        raise ValueError(
            f"film: x has shape {tuple(x.shape)}, gamma {tuple(gamma.shape)}, beta "
            f"{tuple(beta.shape)}; expected x (B, C, ...) with gamma and beta both (B, C)"
            + (f" = {tuple(x.shape[:2])}." if x.ndim >= 2 else ".")
        )
    gamma, beta = (p.reshape(*p.shape, *[1] * (x.ndim - 2)) for p in (gamma, beta))
    return gamma * x + beta


def take(film_params: FiLMParams, rows_B: Tensor) -> FiLMParams:
    """gamma and beta (B, C) of each block, from rows of those given."""
    return [
        (gamma.index_select(0, rows_B), beta.index_select(0, rows_B)) for gamma, beta in film_params
    ]


class FiLM(nn.Module):
    """The FiLM layer: `film` as a module, so that hooks see x, gamma and beta. No parameters."""

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Modulate x (B, C, ...) by gamma and beta (B, C); see `film`."""
        return film(x, gamma, beta)


class FiLMGenerator(nn.Module):
    """Predict every block's modulation from z: gamma = gamma_fn(offset + delta), and beta.

    [delta | beta] of block k are W_k h_k + b_k, where h_k is
        linear:     z
        mlp:        relu(V z + c), the same for all blocks
        recurrent:  GRU(z, h_{k-1}), h_0 = 0: the blocks' parameters are made one after another.
    A fresh generator with offset 1 is near gamma_fn(1) and 0, so that gradients flow through the
    layer. Perez et al. 2018, sections 2.1 and 7.2; the restricted gammas are those of its section
    4.3. Its first author calls a linear generator, not a recurrent one, a key to generalising
    (Perez 2019).

    The outputs are laid out block after block, each [delta (C) | beta (C)].

    Args:
        condition_dim: size D of the condition z.
        num_features: C of each modulated block, first block first.
        kind: linear, mlp or recurrent.
        hidden_dim: size of h where it is not z; D when not given.
        gamma_fn: identity, or sigmoid for gamma in (0, 1), tanh for (-1, 1), exp for (0, inf).
        use_gamma: predict gamma; otherwise every gamma is 1.
        use_beta: predict beta; otherwise every beta is 0.
        offset: what is added to delta; 0 for a gamma that is a function of z and nothing else.

    Raises:
        ValueError: kind or gamma_fn is unknown, a linear generator is given a hidden_dim, a block
            has no features, or nothing is left to predict.
    """

    def __init__(
        self,
        condition_dim: int,
        num_features: Sequence[int],
        *,
        kind: GeneratorKind = "linear",
        hidden_dim: int | None = None,
        gamma_fn: GammaFn = "identity",
        use_gamma: bool = True,
        use_beta: bool = True,
        offset: float = 1.0,
    ) -> None:
        super().__init__()
        check_choice("kind", kind, get_args(GeneratorKind))
        check_choice("gamma_fn", gamma_fn, get_args(GammaFn))
        if kind == "linear" and hidden_dim is not None:
            raise ValueError(
                f"hidden_dim={hidden_dim}, but a linear generator has no hidden layer; say "
                "kind='mlp' or kind='recurrent', or leave hidden_dim out"
            )
        if not (use_gamma or use_beta):
            raise ValueError(
                "use_gamma=False and use_beta=False leave nothing to predict; set one of them "
                "to True, or build the network with conditioning='none'."
            )
        if not num_features or min(num_features) < 1:
            raise ValueError(
                f"num_features={list(num_features)}; expected one positive number of features "
                "per modulated block, such as [128, 128]."
            )
        self.num_features = tuple(num_features)
        self.gamma_fn = gamma_fn
        self.use_gamma = use_gamma
        self.use_beta = use_beta
        self.offset = offset
        hidden_dim = hidden_dim or condition_dim
        self.hidden: nn.Module = nn.Identity()
        self.cell: nn.GRUCell | None = None
        if kind == "mlp":
            self.hidden = nn.Sequential(nn.Linear(condition_dim, hidden_dim), nn.ReLU())
        elif kind == "recurrent":
            self.cell = nn.GRUCell(condition_dim, hidden_dim)
        self.outputs_per_block = [(use_gamma + use_beta) * features for features in num_features]
        self.linear = nn.Linear(hidden_dim, sum(self.outputs_per_block))

    def forward(self, z_BD: Tensor) -> FiLMParams:
        """Map the condition (B, D) to one (gamma, beta), each (B, C), per block."""
        blocks = self._one_after_another(z_BD) if self.cell else self._at_once(z_BD)
        return [self._gamma_beta(*pair) for pair in zip(blocks, self.num_features, strict=True)]

    def _at_once(self, z_BD: Tensor) -> Sequence[Tensor]:
        """Every block's outputs (B, X), by one product."""
        outputs_BX: Tensor = self.linear(self.hidden(z_BD))
        return torch.split(outputs_BX, self.outputs_per_block, dim=1)

    def _one_after_another(self, z_BD: Tensor) -> Sequence[Tensor]:
        """Every block's outputs (B, X), each from the state that the ones before it have left."""
        assert self.cell is not None
        h_BD: Tensor | None = None
        blocks = []
        weights = torch.split(self.linear.weight, self.outputs_per_block)
        biases = torch.split(self.linear.bias, self.outputs_per_block)
        for weight, bias in zip(weights, biases, strict=True):
            h_BD = self.cell(z_BD, h_BD)
            blocks.append(F.linear(h_BD, weight, bias))
        return blocks

    def _gamma_beta(self, block_BX: Tensor, features: int) -> tuple[Tensor, Tensor]:
        # Where only one of the two is predicted, the block's outputs are that one (X = C).
        delta_BC, beta_BC = block_BX[:, :features], block_BX[:, -features:]
        if not self.use_gamma:
            return torch.ones_like(beta_BC), beta_BC
        gamma_BC = _GAMMA_FNS[self.gamma_fn](self.offset + delta_BC)
        return gamma_BC, beta_BC if self.use_beta else torch.zeros_like(gamma_BC)


def film_penalty(film_params: FiLMParams) -> Tensor:
    """Distance of the modulation from the identity: mean of (gamma - 1)^2 + beta^2, a scalar.

    The mean is over samples, blocks and features; without a conditioned block it is 0.
    Regularising the predicted parameters is what FiLM's authors call its key pitfall
    (Dumoulin et al. 2018, "Feature-wise transformations", Distill).
    """
    if not film_params:
        return torch.zeros(())
    return torch.cat([(gamma - 1) ** 2 + beta**2 for gamma, beta in film_params], dim=1).mean()
