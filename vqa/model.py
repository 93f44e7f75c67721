"""The question answerer: the FiLM-ed network and a classifier over the answers.

    question -> GRU -> gamma, beta of every block
    image -> stem -> FiLM-ed residual blocks -> 1x1 convolution -> global max -> MLP -> answers

Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer", sections 2.2, 7.2.

Shapes: B images, Q questions, T words, C channels, H height, W width, A answers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from film_rl import (
    FeatureStemConfig,
    FiLMedNetwork,
    GeneratorConfig,
    NetworkConfig,
    PixelStemConfig,
    SentenceConfig,
)
from film_rl.block import append_coordinates
from film_rl.film import FiLMParams, film_penalty
from film_rl.language import PAD
from vqa.batches import Batch
from vqa.config import VQAConfig
from vqa.gru import last_states


class Classifier(nn.Module):
    """Append coordinates, 1x1 convolution, global max over all cells, one hidden layer, answers.

    Args:
        in_channels: channels of the features.
        channels: feature maps before the pooling.
        hidden: units of the hidden layer.
        num_answers: size A of the output.
        coords: append coordinate maps to the features.
    """

    def __init__(
        self, in_channels: int, channels: int, hidden: int, num_answers: int, coords: bool
    ) -> None:
        super().__init__()
        self.coords = coords
        self.conv = nn.Conv2d(in_channels + 2 * coords, channels, 1)
        self.conv_norm = nn.BatchNorm2d(channels)
        self.hidden = nn.Linear(channels, hidden)
        self.hidden_norm = nn.BatchNorm1d(hidden)
        self.answers = nn.Linear(hidden, num_answers)

    def before_pool(self, x_QCHW: Tensor) -> Tensor:
        """Map the features to what the maximum is taken over, (Q, channels, H, W)."""
        x_QCHW = append_coordinates(x_QCHW) if self.coords else x_QCHW
        out_QCHW: Tensor = self.conv_norm(self.conv(x_QCHW)).relu()
        return out_QCHW

    def forward(self, x_QCHW: Tensor) -> Tensor:
        """Map features (Q, C, H, W) to logits (Q, A)."""
        # Not amax: its gradient, shared out among equal cells, takes several times as long.
        pooled_QC = F.adaptive_max_pool2d(self.before_pool(x_QCHW), 1).flatten(1)
        logits_QA: Tensor = self.answers(self.hidden_norm(self.hidden(pooled_QC)).relu())
        return logits_QA


class QuestionAnswerer(nn.Module):
    """logits = classifier(FiLMedNetwork(image, question)).

    All convolutions and linear maps start from Kaiming's uniform distribution, as the original.

    Args:
        config: the options; only those of the model matter here.
        vocab_size: number of question tokens, padding included.
        num_answers: number of answers.

    Raises:
        ValueError: options contradict each other.
    """

    def __init__(self, config: VQAConfig, vocab_size: int, num_answers: int) -> None:
        super().__init__()
        self.film_penalty = config.film_penalty
        self.network = FiLMedNetwork(network_config(config, vocab_size))
        self.classifier = Classifier(
            self.network.output_channels,
            config.classifier_channels,
            config.classifier_hidden,
            num_answers,
            config.coords,
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight)

    def forward(
        self,
        images_BCHW: Tensor,
        tokens_QT: Tensor,
        image_of_question_Q: Tensor | None = None,
        length_Q: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about images: logits (Q, A).

        Args:
            images_BCHW: pixels from 0 to 1, or features.
            tokens_QT: ids of the questions' tokens, 0 only at the end of a row.
            image_of_question_Q: the row of each question's image; without it there are as many
                images as questions. The stem and the first block's convolutions run once an image.
            length_Q: numbers of tokens, on the CPU; the GRU then never reads padding.
        """
        film_params = self.condition(tokens_QT, length_Q)
        return self.answer(images_BCHW, film_params, image_of_question_Q)

    def loss(self, images_BCHW: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy + weight * `film_penalty` of a batch, and its logits (Q, A)."""
        film_params = self.condition(batch.tokens, batch.lengths)
        logits_QA = self.answer(images_BCHW, film_params, batch.rows)
        loss = F.cross_entropy(logits_QA.float(), batch.answers)
        if self.film_penalty:
            in_full = [(gamma_QC.float(), beta_QC.float()) for gamma_QC, beta_QC in film_params]
            loss = loss + self.film_penalty * film_penalty(in_full)
        return loss, logits_QA

    def answer(
        self, images_BCHW: Tensor, film_params: FiLMParams, image_of_question_Q: Tensor | None
    ) -> Tensor:
        """Answer with each block's (gamma, beta) given, one row a question: logits (Q, A)."""
        features_QCHW = self.network.modulate(images_BCHW, film_params, image_of_question_Q)
        logits_QA: Tensor = self.classifier(features_QCHW)
        return logits_QA

    def condition(self, tokens_QT: Tensor, length_Q: Tensor | None = None) -> FiLMParams:
        """Predict every conditioned block's (gamma, beta) from the questions."""
        encoder, generator = self.network.encoder, self.network.generator
        if encoder is None or generator is None or length_Q is None:
            return self.network.condition(tokens_QT)
        words = encoder.embedding(tokens_QT)
        packed = pack_padded_sequence(words, length_Q, batch_first=True, enforce_sorted=False)
        film_params: FiLMParams = generator(last_states(encoder.gru, packed))
        return film_params


def network_config(config: VQAConfig, vocab_size: int) -> NetworkConfig:
    """The options of the FiLM-ed network in the core's terms."""
    stem: PixelStemConfig | FeatureStemConfig
    if config.inputs == "pixels":
        stem = PixelStemConfig(channels=config.stem_channels, num_layers=config.stem_layers)
    else:
        stem = FeatureStemConfig(
            config.feature_channels,
            config.stem_channels,
            config.stem_layers,
            config.stem_kernel_size,
            config.coords,
        )
    return NetworkConfig(
        stem=stem,
        sentence=SentenceConfig(vocab_size, config.word_dim, config.sentence_dim),
        conditioning=config.conditioning,
        generator=GeneratorConfig(config.generator, gamma_fn=config.gamma_fn),
        channels=config.channels,
        kernel_sizes=(config.kernel_size,) * config.blocks,
        norm=config.norm,
        placement=config.placement,
        residual=config.residual,
        coords=config.coords,
        film_blocks=config.film_blocks,
    )


def lengths(tokens_QT: Tensor) -> Tensor:
    """Count the tokens of each question, on the CPU; at least 1, as packing asks for."""
    return (tokens_QT != PAD).sum(dim=1).clamp(min=1).cpu()


def to_input(images_BCHW: Tensor, device: torch.device) -> Tensor:
    """Bytes (B, 3, H, W), which become 0 to 1, or features; on the device, channels last."""
    images_BCHW = images_BCHW.to(device, non_blocking=True)
    input_BCHW = images_BCHW.to(torch.float32, memory_format=torch.channels_last)
    return input_BCHW.div_(255) if images_BCHW.dtype == torch.uint8 else input_BCHW
