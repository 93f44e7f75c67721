"""Features of a pre-trained ResNet-101, read once and kept: what the paper's main network sees.

    bytes / 255, minus ImageNet's mean, by its deviation -> conv1 ... layer3 -> 1024 x 14 x 14

Perez et al. 2018, section 2.2. Kept as float16: 29 GB for the 72,000 and more images of CLEVR's
train set, half of what float32 takes, and to 3 digits what the network gives.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.hub import load_state_dict_from_url

from film_rl.run import UserError
from film_rl.run.files import sha256
from vqa.cache import BlockCache
from vqa.original import read_weights

# Mean and deviation of ImageNet's pixels, 0 to 1.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LAYERS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
# The weights of the paper's time, and of every checkpoint of the original code.
WEIGHTS = "https://download.pytorch.org/models/resnet101-63fe2227.pth"
FORMAT = 1


def resnet101(weights: Path | str | None = None) -> nn.Module:
    """The first four fifths of a pre-trained ResNet-101: (B, 3, H, W) to (B, 1024, H/16, W/16).

    Args:
        weights: a file of torchvision's ResNet-101 weights; when not given, the one in torch's
            cache, downloaded first where it is not there.

    Raises:
        UserError: torchvision is missing or not made for this torch; the weights cannot be had.
    """
    try:
        from torchvision.models import resnet101 as untrained  # noqa: PLC0415 - an optional extra
    except (ImportError, RuntimeError) as error:  # RuntimeError: it was made for another torch
        raise UserError(
            f"--inputs features needs torchvision, which cannot be imported ({error}); type "
            "pip install torchvision (with the --index-url that torch was installed with), or "
            "--inputs pixels"
        ) from None
    network = untrained(weights=None)
    state = _downloaded() if weights is None else read_weights(Path(weights))
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"{weights or WEIGHTS}: not the weights of torchvision's ResNet-101 ({error!s:.200})"
        ) from None
    return nn.Sequential(*(getattr(network, name) for name in LAYERS))


class Features:
    """A pre-trained network, and what it sees in images.

    Args:
        network: maps normalised images (B, 3, H, W) to features (B, C, H', W').
        device: where it runs.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.network = network.to(device).eval()
        nn.utils.convert_conv2d_weight_memory_format(self.network, torch.channels_last)
        self.device = device

    @torch.inference_mode()
    def of(self, images_BCHW: Tensor) -> Tensor:
        """Features of bytes (B, 3, H, W): (B, C, H', W'), float16 on the CPU.

        Raises:
            UserError: a feature is larger than float16 can be; those of trained networks are not.
        """
        pixels = images_BCHW.to(self.device, torch.float32, memory_format=torch.channels_last)
        mean, deviation = (
            torch.tensor(values, device=self.device).view(3, 1, 1) for values in (MEAN, DEVIATION)
        )
        features_BCHW: Tensor = self.network((pixels / 255 - mean) / deviation).half()
        if not features_BCHW.isfinite().all():
            raise UserError(
                "features are larger than 65,504, or no numbers; are --feature-weights those of a "
                "trained ResNet-101?"
            )
        return features_BCHW.contiguous().cpu()

    def cached(
        self, images_NCHW: Tensor, folder: Path | str, console: Console | None = None
    ) -> Tensor:
        """Features of all images, (N, C, H', W'), mapped from a cache that is built where needed.

        It resumes after a kill, and follows changes of the images and of the network.

        Args:
            images_NCHW: bytes, possibly mapped from a file.
            folder: of the cache; it belongs to these images.
            console: where to show progress; standard error by default.
        """
        weights = self._digest()

        def source(indices: range) -> list[object]:
            return [FORMAT, weights, sha256(_bytes(images_NCHW[indices.start : indices.stop]))]

        def build(indices: range) -> NDArray[np.generic]:
            return self.of(images_NCHW[indices.start : indices.stop]).numpy()

        shape = (len(images_NCHW), *self.of(images_NCHW[:1]).shape[1:])
        file = Path(folder) / "features.f16"
        # One thread builds: a convolution takes all cores, or the device, by itself.
        return BlockCache(file, shape, torch.float16, source, build).mapped(console, threads=1)

    def _digest(self) -> str:
        state = self.network.state_dict()
        return sha256("".join(f"{k} {sha256(_bytes(v))}" for k, v in state.items()).encode())


def _bytes(values: Tensor) -> bytes:
    return values.cpu().contiguous().numpy().tobytes()


def _downloaded() -> dict[str, Tensor]:
    try:
        return load_state_dict_from_url(
            WEIGHTS, map_location="cpu", check_hash=True, weights_only=True,
            progress=sys.stderr.isatty(),
        )  # fmt: skip
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{WEIGHTS} cannot be downloaded ({error}); fetch it elsewhere and type "
            "--feature-weights FILE"
        ) from None
