"""The processes that `torchrun` started, one a GPU or CPU, as one team. By accelerate."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast
from torch import Tensor, nn

from film_rl.run.device import choose_device
from film_rl.run.errors import UserError
from film_rl.run.team import Team

# The longest wait is for the first process to prepare the data. A process that dies is noticed by
# torchrun, which ends the others: this is for those that hang.
PATIENCE = timedelta(hours=2)


def join_team(device: str) -> Team:
    """The team of all processes that torchrun started; without torchrun a team of one.

    Args:
        device: auto, cpu or cuda. Each process takes the GPU of its number.

    Raises:
        UserError: the device is unknown, not in this machine, or cannot be divided.
    """
    kind = choose_device(device).type
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        return Team()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    if ":" in device:
        raise UserError(
            f"--device {device} is one device, but torchrun started {processes} processes; "
            f"type --device {kind}, and each takes its own"
        )
    if kind == "cuda" and here > torch.cuda.device_count():
        gpus = torch.cuda.device_count()
        raise UserError(
            f"torchrun started {here} processes on this machine, which has {gpus} GPUs; "
            f"type --nproc-per-node {gpus}, or --device cpu"
        )
    return ManyProcesses(cpu=kind == "cpu")


class ManyProcesses(Team):
    """The team of several processes: GPUs talk by nccl, CPUs by gloo.

    Gradients are averaged here and not by DistributedDataParallel: that sums them in buckets whose
    order depends on the first step after a start, so a resumed run would round differently.

    Args:
        cpu: use no GPU.
    """

    def __init__(self, cpu: bool) -> None:
        patience = InitProcessGroupKwargs(timeout=PATIENCE)
        self._accelerator = Accelerator(cpu=cpu, kwargs_handlers=[patience])
        self._device = self._accelerator.device
        self.part = (self._accelerator.process_index, self._accelerator.num_processes)

    def prepare(self, model: nn.Module) -> None:
        """Let batch norms take their statistics over all processes: on GPUs, gloo cannot."""
        if self._device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]

    def average(self, tensors: Sequence[Tensor], weight: float) -> None:
        """Replace each tensor by its mean over the processes, each with its weight: one message."""
        flat = torch.cat([tensor.flatten() for tensor in tensors] + [tensors[0].new_ones(1)])
        total = self._accelerator.reduce(flat * weight, reduction="sum")
        means = (total[:-1] / total[-1]).split([tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def largest(self, number: float) -> float:
        """The largest of the processes' numbers."""
        mine = torch.tensor([number], dtype=torch.float64, device=self._device)
        return float(self._accelerator.gather(mine).max())

    def told(self, text: str) -> str:
        """The first process's text."""
        mine = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self._device)
        size = int(self.largest(len(mine) if self.first else 0))
        data = mine if self.first else mine.new_zeros(size)
        return bytes(broadcast(data).tolist()).decode()

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self._accelerator.wait_for_everyone()

    def first_goes_ahead(self) -> AbstractContextManager[object]:
        """Inside it the others begin when the first process has left it."""
        ahead: AbstractContextManager[object] = self._accelerator.main_process_first()
        return ahead

    def leave(self) -> None:
        """Need the other processes no more; a second time is harmless."""
        self._accelerator.end_training()
