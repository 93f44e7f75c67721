"""Where the network looked: which cells each feature map's global maximum came from.

Perez et al. 2018, section 4.4 and figure 5: the locations the classifier pools from mark the
objects that a question is about.

Shapes: Q questions, C channels, H height, W width.
"""

import torch
from torch import Tensor, nn

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
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> torch.utils.hooks.RemovableHandle:
        module = parts[name]

        def hook(_module: object, _inputs: object, output_QCHW: Tensor) -> None:
            maps[name] = _stretched(output_QCHW.float().square().mean(dim=1).sqrt())

        return module.register_forward_hook(hook)

    parts: dict[str, torch.nn.Module] = {"stem": model.network.stem}
    parts |= {f"block {k}": block for k, block in enumerate(model.network.blocks, start=1)}
    hooks = [keep(name) for name in parts]
    features_QCHW = model.network.modulate(images_QCHW, film_params)
    for hook in hooks:
        hook.remove()
    maps["pooled from"] = _stretched(winners(model.classifier.before_pool(features_QCHW)))
    probabilities_QA = model.classifier(features_QCHW).softmax(dim=1)
    return probabilities_QA, maps


def winners(x_QCHW: Tensor) -> Tensor:
    """The share of channels whose largest value lies in each cell, (Q, H, W); dead ones aside."""
    flat_QCX = x_QCHW.flatten(2)
    most_QC, cell_QC = flat_QCX.max(dim=2)
    shares_QX = torch.zeros(flat_QCX.shape[0], flat_QCX.shape[2], device=x_QCHW.device)
    shares_QX.scatter_add_(1, cell_QC, (most_QC > 0).float() / x_QCHW.shape[1])
    return shares_QX.unflatten(1, x_QCHW.shape[2:])


def _stretched(maps_QHW: Tensor) -> Tensor:
    """Each map from 0 to 1."""
    low, high = maps_QHW.amin(dim=(1, 2), keepdim=True), maps_QHW.amax(dim=(1, 2), keepdim=True)
    return (maps_QHW - low) / (high - low).clamp(min=1e-9)
