"""Multi-hop FiLM: each block's parameters after another look at the question's words.

    h_1 .. h_T = GRU both ways(words),   c_0 = the two last states
    a_t = softmax_t(w relu(U c_{k-1} + V h_t)),   c_k = relu(LayerNorm(sum_t a_t h_t))
    gamma_k, beta_k = linear_k(c_k)        for block k = 1, 2, ..., from the image upwards

After Strub et al. 2018, "Visual Reasoning with Multi-hop Feature Modulation", without the variant
that feeds the image back into the context; their code has several forms of the attention's scores,
and the one here need not be that of their numbers. Everything else is FiLM's network.

Shapes: Q questions, T words, D state.
"""

from torch import Tensor, nn

from film_rl import FiLMGenerator
from film_rl.film import FiLMParams
from vqa.config import VQAConfig
from vqa.model import QuestionAnswerer
from vqa.systems.parts import BothWays, attention, word_counts


class Hop(nn.Module):
    """c = relu(LayerNorm(sum_t a_t h_t)) with a = softmax_t(w relu(U c_before + V h_t))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.context = nn.Linear(dim, dim)
        self.word = nn.Linear(dim, dim, bias=False)
        self.score = nn.Linear(dim, 1, bias=False)  # softmax takes no notice of a bias
        self.norm = nn.LayerNorm(dim)

    def forward(self, context_QD: Tensor, states_QTD: Tensor, tokens_QT: Tensor) -> Tensor:
        """The next context (Q, D)."""
        hidden_QTD = (self.word(states_QTD) + self.context(context_QD)[:, None]).relu()
        weights_QT = attention(self.score(hidden_QTD)[:, :, 0], tokens_QT)
        attended_QD = (weights_QT[:, :, None] * states_QTD).sum(dim=1)
        next_QD: Tensor = self.norm(attended_QD).relu()
        return next_QD


class MultiHop(QuestionAnswerer):
    """FiLM's network, its parameters generated block by block.

    Args:
        config: sizes, as of FiLM; `sentence_dim` is that of the two directions together.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__(config, vocab_size, num_answers)
        features = self.network.generator.num_features  # type: ignore[union-attr]
        self.network.encoder = self.network.generator = None
        dim = config.sentence_dim
        self.embedding = nn.Embedding(vocab_size, config.word_dim)
        self.words = BothWays(nn.GRU, config.word_dim, dim)
        self.hops = nn.ModuleList(Hop(dim) for _ in features)
        self.generators = nn.ModuleList(
            FiLMGenerator(dim, [C], gamma_fn=config.gamma_fn) for C in features
        )

    def condition(self, tokens_QT: Tensor, length_Q: Tensor | None = None) -> FiLMParams:
        """Predict every conditioned block's (gamma, beta), the first block's first."""
        states_QTD, context_QD = self.words(self.embedding(tokens_QT), word_counts(tokens_QT))
        film_params: FiLMParams = []
        for hop, generator in zip(self.hops, self.generators, strict=True):
            context_QD = hop(context_QD, states_QTD, tokens_QT)
            film_params += generator(context_QD)
        return film_params
