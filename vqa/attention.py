"""Where the network looked: which cells each feature map's global maximum came from.

Perez et al. 2018, section 4.2 and figure 4: the locations the classifier pools from lie on or near
the objects that a question or its answer is about.

Shapes: Q questions, C channels, H height, W width.
"""

import torch
from torch import Tensor, nn

from film_rl.analysis.where import outputs_of, parts_of, strength, stretched, winners
from film_rl.run import UserError
from vqa.model import QuestionAnswerer


@torch.inference_mode()
def look(
    model: nn.Module, images_QCHW: Tensor, tokens_QT: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Answer questions, and show where.

    Args:
        model: in evaluation mode.
        images_QCHW: an image per question, 0 to 1.
        tokens_QT: the questions' tokens.

    Returns:
        Probabilities (Q, A), and maps (Q, H, W) from 0 to 1 by what they show: `stem` and
        `block 1` to the last, sqrt(mean over channels of x^2) there; `pooled from`, the share of
        the channels whose global maximum lies in each cell.

    Raises:
        UserError: the model has no residual blocks with FiLM in their place, and no such maximum.
    """
    if not isinstance(model, QuestionAnswerer):
        raise UserError(
            f"a {type(model).__name__} has no FiLM-ed blocks to look into; expected a network of "
            "--system film or one of its variants (concat, bias, scale, gate, none, multihop)"
        )
    film_params = model.condition(tokens_QT)
    with outputs_of(parts_of(model.network)) as parts:
        features_QCHW = model.network.modulate(images_QCHW, film_params)
    maps = {name: stretched(strength(x_QCHW)) for name, x_QCHW in parts.items()}
    maps["pooled from"] = stretched(winners(model.classifier.before_pool(features_QCHW)))
    probabilities_QA = model.classifier(features_QCHW).softmax(dim=1)
    return probabilities_QA, maps
