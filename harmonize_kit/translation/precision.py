"""In how many bits, and by which of their algorithms, networks compute."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "fp16"]
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context in which convolutions compute in ``precision``, and sums in 32 bits."""
    kind = AUTOCAST.get(precision)
    return torch.autocast(device.type, kind, enabled=kind is not None)


@contextmanager
def fastest_convolutions(device: torch.device) -> Generator[None]:
    """Let cuDNN try its algorithms for each size of image once, and take the fastest.

    Which pays where sizes stay as they are, as they do within a phase of a training. Which one is
    the fastest may change from run to run, and with it the last bits.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = device.type == "cuda" or before
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
