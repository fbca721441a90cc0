"""A store of a few slices of two sites, and a training small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from harmonize_kit.config.translation import (
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    Phase,
    TrainingConfig,
)
from harmonize_kit.translation.cyclegan import CycleGAN
from harmonize_kit.translation.store import SlicedCase, write_store

SIZE = (24, 24)
OBJECTIVE = ObjectiveConfig(r1=0.01, r1_every=2, replay=6)


def make_store(folder: Path, sites: str = "ABAB", channels: int = 1) -> Path:
    """Textured discs of three slices, the middle one with a lesion; those of B are brighter."""
    y, x = np.ogrid[-1 : 1 : SIZE[0] * 1j, -1 : 1 : SIZE[1] * 1j]
    mask = np.repeat(((y**2 + x**2) < 0.7)[None], 3, axis=0)
    lesion = np.zeros_like(mask)
    lesion[1, 8:12, 8:12] = True
    cases: list[SlicedCase] = []
    for number, site in enumerate(sites):
        texture = np.random.default_rng(number).normal(size=(3, channels, *SIZE)).cumsum(-1) / 4
        cases.append(SlicedCase(f"{number}", site, {}, texture + (site == "B"), mask, lesion))
    write_store(folder, cases, SIZE)
    return folder


def training_config(steps: int, **more: Any) -> TrainingConfig:
    """A checkpoint every four steps."""
    return TrainingConfig.model_validate({
        "phases": (Phase(steps=steps),), "batch": 2, "crop": 16, "generator_rate": 2e-3,
        "discriminator_rate": 4e-3, "log_every": 1, "checkpoint_every": 4, "average": 0.5, **more,
    })  # fmt: skip


def cyclegan(sites: str = "AB", **generator: Any) -> CycleGAN:
    """Networks with the same weights every time."""
    torch.manual_seed(1)
    own: dict[str, Any] = {"architecture": "unet", "features": 4, "blocks": 1, **generator}
    return CycleGAN(
        sites, "B", GeneratorConfig.model_validate(own),
        DiscriminatorConfig(features=4, layers=1, channels=own.get("channels", 1)),
    )  # fmt: skip
