"""Choosing the device and the precision; memory."""

import ctypes
import platform
from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch

from film_rl.errors import did_you_mean
from film_rl.run.errors import UserError

Precision = Literal["auto", "float32", "bf16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one; otherwise `cpu`, `cuda` or `cuda:N`, as given.

    Raises:
        UserError: the device is unknown or not in this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        hint = did_you_mean(name, ("auto", "cpu", "cuda"))
        raise UserError(f"device {name!r} is unknown: auto, cpu, cuda or cuda:N{hint}")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
        raise UserError(
            f"device {name!r} was asked for; {torch.cuda.device_count()} CUDA GPUs are seen "
            f"by this PyTorch (built with {built}). "
            "Type --device cpu, or --device auto to take what is there"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the hardware multiplies it fast, else float32.

    It is fast on CUDA and on CPUs with AMX or AVX-512 BF16.

    Raises:
        UserError: the name is unknown.
    """
    if name not in PRECISIONS:
        hint = did_you_mean(name, PRECISIONS)
        raise UserError(f"precision {name!r} is unknown: {', '.join(PRECISIONS)}{hint}")
    if name == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_multiplies_bf16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """A context in which matrix products run in `precision`; float32 changes nothing."""
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)


def describe_device(device: torch.device) -> str:
    """The hardware in words, for summaries: `NVIDIA H200`, or `cpu (2 threads, AMD EPYC)`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    return f"cpu ({torch.get_num_threads()} threads, {name})"


def keep_freed_memory() -> None:
    """Let the C library keep freed tensors of up to 32 MiB for the next ones.

    Otherwise it hands their pages back to the system, which fills each anew with zeros: much of
    the time of training on a CPU. Only glibc can be told; elsewhere nothing changes.
    See mallopt(3).
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    if hasattr(ctypes.pythonapi, "mallopt"):
        for parameter, value in ((mmap_threshold, 32), (trim_threshold, 1024), (top_pad, 64)):
            ctypes.pythonapi.mallopt(parameter, value << 20)


def _cpu_multiplies_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
