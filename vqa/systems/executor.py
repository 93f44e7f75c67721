"""The execution engine of PG+EE: one small network per function, put together as the program says.

    scene = f(stem(image)),  f(x) = relu(x + conv(relu(conv(x)))),  f(x, y) = f(relu(conv([x, y])))

Every function, with its value, has weights of its own: `filter_color[red]` is a module, and
`filter_color[blue]` another. The last module's output is classified by a projection, max-pooling
and an MLP. Johnson et al. 2017, "Inferring and Executing Programs for Visual Reasoning", section 3;
128 maps of 14x14, as in its code.

The programs of a batch run level by level, all nodes of a level that have one function in one
convolution (`vqa.systems.plan`), so that a batch of 160 takes some hundred calls, not thousands.

Shapes: B images, Q questions, N nodes of a level, C channels, H height, W width, A answers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vqa.config import VQAConfig
from vqa.programs import ARITY
from vqa.systems.parts import FlatImage, make_stem, mlp
from vqa.systems.plan import Level, make_plan


class Unary(nn.Module):
    """f(x) = relu(x + conv(relu(conv(x)))), 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Map (N, C, H, W) to as much."""
        return (x_NCHW + self.conv2(self.conv1(x_NCHW).relu())).relu()


class Binary(nn.Module):
    """f(x, y) = unary(relu(conv1x1([x, y])))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(2 * channels, channels, 1)
        self.unary = Unary(channels)

    def forward(self, both_NCHW: Tensor) -> Tensor:
        """Map the first inputs and, below them, the second (2 N, C, H, W) to (N, C, H, W)."""
        out_NCHW: Tensor = self.unary(self.join(torch.cat(both_NCHW.chunk(2), dim=1)).relu())
        return out_NCHW


class Executor(nn.Module):
    """Answer what programs ask about images.

    Args:
        config: `channels` of every module; sizes of stem and classifier.
        num_answers: number of answers A.
    """

    def __init__(self, config: VQAConfig, num_answers: int) -> None:
        super().__init__()
        C = config.channels
        self.num_answers = num_answers
        self.stem = make_stem(config)
        self.enter = nn.Conv2d(config.stem_channels, C, 1)
        self.functions = nn.ModuleList(Binary(C) if n == 2 else Unary(C) for n in ARITY[1:])
        self.flat = FlatImage(C, config.classifier_channels)
        self.classifier = mlp(self.flat.features, config.classifier_hidden, num_answers)

    def forward(
        self, images_BCHW: Tensor, programs: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> Tensor:
        """Logits (Q, A): all 0, a guess, where a program is not whole.

        Args:
            images_BCHW: pixels from 0 to 1, or features.
            programs: ids of functions in prefix order, 0 after the end.
            rows: the image of each program.
        """
        plan = make_plan(programs, rows)
        device = images_BCHW.device
        values_NCHW = self.enter(self.stem(images_BCHW)).relu()
        found = []
        for level in plan.levels:
            values_NCHW = self._run(level, values_NCHW)
            found.append(values_NCHW.index_select(0, _rows(level.answers, device)))
        logits_QA = torch.zeros(len(programs), self.num_answers, device=device)
        if not plan.questions:
            return logits_QA
        of_whole_QA = self.classifier(self.flat(torch.cat(found)))
        whole = _rows(plan.questions, device)
        return logits_QA.to(of_whole_QA.dtype).index_copy(0, whole, of_whole_QA)

    def _run(self, level: Level, values_NCHW: Tensor) -> Tensor:
        """The values of a level from those of the level before."""
        inputs = _rows(level.inputs, values_NCHW.device)
        sizes = [nodes * max(1, ARITY[function]) for function, nodes in level.groups]
        # One gather and one split a level: the gradient of each is one operation too.
        *parts, carried = values_NCHW.index_select(0, inputs).split([*sizes, level.carried])
        outputs = [
            self.functions[function - 1](part)
            for (function, _), part in zip(level.groups, parts, strict=True)
        ]
        return torch.cat([*outputs, carried])


def _rows(numbers: list[int], device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64, device=device)
