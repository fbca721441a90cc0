"""Networks that torch.compile fuses, and where it cannot follow."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from harmonize_kit.translation.cyclegan import CycleGAN


def compile_networks(networks: CycleGAN) -> None:
    """Let torch.compile fuse every network when it is first called; its weights keep their names.

    Shapes that change, as at the next phase, and what asks for other gradients are compiled anew.
    """
    for network in (networks.forwards, *networks.backwards, *networks.judges):
        network.compile()  # pyright: ignore[reportUnknownMemberType]


def differentiable_twice(needed: bool) -> AbstractContextManager[object]:
    """Run networks uncompiled for a while: what torch.compile makes has no second derivative."""
    return torch.compiler.set_stance("force_eager") if needed else nullcontext()
