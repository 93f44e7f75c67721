"""A network small enough to compute by hand, steered by gammas and betas that are set by hand."""

import torch
from torch import nn

from film_rl import FiLMedNetwork, FiLMGenerator, NetworkConfig, PixelStemConfig, SentenceConfig

# Three sentences, two blocks: gamma and beta of two features each.
GAMMAS = (
    torch.tensor([[1.0, -2.0], [0.05, 4.0], [3.0, 1.0]]),
    torch.tensor([[0.0, 1.0], [1.0, -1.0], [2.0, 0.0]]),
)
BETAS = (
    torch.tensor([[0.0, -1.0], [-3.0, 0.5], [1.0, 2.0]]),
    torch.tensor([[-0.5, 0.0], [0.0, 0.0], [-0.09, 6.0]]),
)
FILM = list(zip(GAMMAS, BETAS, strict=True))


class Known(FiLMGenerator):
    """Gives the gammas and betas above, whatever it is asked."""

    def forward(self, z_BD):
        return [(gamma.clone(), beta.clone()) for gamma, beta in FILM]


def network_by_hand() -> FiLMedNetwork:
    """Each block does relu(gamma * x + beta) to features that are not negative; no more.

    The stem is the identity. conv1 and conv2 of a block are identities too, there is neither norm
    nor residual connection.
    """
    network = FiLMedNetwork(
        NetworkConfig(
            PixelStemConfig(2, 2, num_layers=0),
            SentenceConfig(5),
            channels=2,
            kernel_sizes=(1, 1),
            norm="none",
            residual=False,
            coords=False,
        )
    )
    for block in network.blocks:
        for conv in (block.conv1, block.conv2):
            nn.init.dirac_(conv.weight)
            nn.init.zeros_(conv.bias)
    network.generator = Known(3, (2, 2))
    return network.eval()


def by_hand(x_B2HW: torch.Tensor, film=FILM) -> list[torch.Tensor]:
    """What comes out of both blocks."""
    outputs = []
    for gamma_B2, beta_B2 in film:
        x_B2HW = (gamma_B2[:, :, None, None] * x_B2HW + beta_B2[:, :, None, None]).clamp(min=0)
        outputs.append(x_B2HW)
    return outputs
