"""The question-only baseline: what can be answered without looking.

Shapes: Q questions, T words, A answers.
"""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from vqa.model import lengths


class QuestionOnly(nn.Module):
    """logits = MLP(last state of an LSTM over the words): "LSTM" in the FiLM paper's table 1.

    Args:
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
        word_dim: size of a word's embedding.
        hidden_dim: size of the LSTM's state and of the hidden layer.
    """

    def __init__(
        self, vocab_size: int, num_answers: int, word_dim: int = 64, hidden_dim: int = 128
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, word_dim)
        self.lstm = nn.LSTM(word_dim, hidden_dim, batch_first=True)
        self.classifier = nn.Sequential(
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, num_answers)
        )

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Map questions (Q, T) to logits (Q, A). It is called like the model; images are unread."""
        length_Q = lengths(tokens_QT) if length_Q is None else length_Q
        words = self.embedding(tokens_QT)
        packed = pack_padded_sequence(words, length_Q, batch_first=True, enforce_sorted=False)
        logits_QA: Tensor = self.classifier(self.lstm(packed)[1][0][-1])
        return logits_QA
