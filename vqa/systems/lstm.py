"""The question alone, read by an LSTM: what can be answered without looking.

    z = LSTM(words),  logits = MLP(z)

Johnson et al. 2017, "CLEVR", section 4.1 (LSTM): one or two layers of 512 or 1024, and one or two
hidden layers of 1024 units or more, with dropout. The number in table 1 of Perez et al. 2018 is
that of Johnson et al. 2017, "Inferring and Executing Programs", whose code has two layers, words of
300 and one hidden layer of 1024. Here that, without dropout.

Shapes: B images, Q questions, T words, A answers.
"""

from torch import Tensor, nn

from vqa.config import VQAConfig
from vqa.systems.parts import QuestionLSTM, mlp


class QuestionOnly(nn.Module):
    """logits = MLP(last state of an LSTM over the words).

    Args:
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
        word_dim: size of a word's embedding.
        dim: size of the LSTM's state.
        hidden: units of the hidden layer.
        layers: LSTMs on top of one another.
    """

    def __init__(
        self,
        vocab_size: int,
        num_answers: int,
        word_dim: int = 64,
        dim: int = 128,
        hidden: int = 128,
        layers: int = 1,
    ) -> None:
        super().__init__()
        self.question = QuestionLSTM(vocab_size, word_dim, dim, layers)
        self.classifier = mlp(dim, hidden, num_answers)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Map questions (Q, T) to logits (Q, A). It is called like the model; images are unread."""
        logits_QA: Tensor = self.classifier(self.question(tokens_QT))
        return logits_QA


def build(config: VQAConfig, vocab_size: int, num_answers: int) -> QuestionOnly:
    """Build it with the configuration's sizes."""
    return QuestionOnly(
        vocab_size,
        num_answers,
        config.word_dim,
        config.sentence_dim,
        config.classifier_hidden,
        config.sentence_layers,
    )
