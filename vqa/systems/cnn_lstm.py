"""Image and question side by side, without any interaction but the classifier's.

    v = flat(conv(stem(image))),  z = LSTM(words),  logits = MLP([v, z])

Johnson et al. 2017, "CLEVR", section 4.1 (CNN+LSTM), which reads features averaged over the image.
The number in table 1 of Perez et al. 2018 is that of Johnson et al. 2017, "Inferring and Executing
Programs"; as in its code the image's features are here projected, max-pooled to 7x7 cells and
flattened, the LSTM has two layers, words 300, the one hidden layer 1024.

Shapes: B images, Q questions, T words, C channels, H height, W width, A answers.
"""

import torch
from torch import Tensor, nn

from vqa.config import VQAConfig
from vqa.systems.parts import FlatImage, QuestionLSTM, make_stem, mlp, of_question


class ImageAndQuestion(nn.Module):
    """logits = MLP([flat image, last state of an LSTM over the words]).

    Args:
        config: sizes of stem, question and classifier.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        self.stem = make_stem(config)
        self.flat = FlatImage(config.stem_channels, config.classifier_channels)
        self.question = QuestionLSTM(
            vocab_size, config.word_dim, config.sentence_dim, config.sentence_layers
        )
        both = self.flat.features + config.sentence_dim
        self.classifier = mlp(both, config.classifier_hidden, num_answers)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images: logits (Q, A); called like `QuestionAnswerer`."""
        image_QF = of_question(self.flat(self.stem(images_BCHW)), image_of_question_Q)
        z_QD = self.question(tokens_QT)
        logits_QA: Tensor = self.classifier(torch.cat([image_QF, z_QD], dim=1))
        return logits_QA
