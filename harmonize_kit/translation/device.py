"""Where networks are trained and used: the device, the first weights, the batch that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig
from harmonize_kit.errors import DependencyError
from harmonize_kit.translation.apply import largest_batch
from harmonize_kit.translation.cyclegan import CycleGAN

Device = Literal["auto", "cpu", "cuda"]
BATCH_ON_CPU = 8


def choose_device(name: Device) -> torch.device:
    """Return the device of that name; "auto" is a GPU where there is one.

    Raises
    ------
    DependencyError
        If a GPU is asked for and none can be used.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise DependencyError(
            f"no GPU can be used by this torch ({torch.__version__}); install a torch for CUDA and "
            "its driver, or say --device cpu"
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def describe_device(device: torch.device) -> dict[str, str]:
    """Return what the last bits of a result depend on: the device, its name, and torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    return {"device": device.type, "device_name": name, "torch": torch.__version__}


def count_threads() -> int:
    """Return how many threads torch computes with in this process."""
    return torch.get_num_threads()


def use_threads(count: int) -> None:
    """Let torch compute with ``count`` threads in this process."""
    torch.set_num_threads(count)


def seeded(
    seed: int,
    sites: Sequence[str],
    reference: str,
    generator: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    allowed: Sequence[str] = (),
) -> CycleGAN:
    """Return networks with weights of this seed, torch's own random state as it was.

    Weights are drawn on the processor, so that they do not depend on the device.
    """
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return CycleGAN(sites, reference, generator, discriminator, allowed)


def is_finite(network: nn.Module) -> bool:
    """Tell whether all weights are numbers: those of a training that diverged are not."""
    return all(bool(torch.isfinite(weight).all()) for weight in network.state_dict().values())


def fitting_batch(
    generator: nn.Module, config: GeneratorConfig, size: tuple[int, int], device: torch.device
) -> int:
    """Return how many slices of ``size`` (y, x) the memory of ``device`` takes at once.

    On a processor a few suffice to keep it busy.
    """
    if device.type == "cpu":
        return BATCH_ON_CPU
    channels = config.channels * (2 * config.neighbours + 1)
    # As they are padded: up to 16 voxels, and to what can be halved twice.
    y, x = (max(16, -(-length // 4) * 4) for length in size)

    def run(batch: int) -> None:
        with torch.inference_mode():
            mask = torch.ones(batch, 1, y, x, dtype=torch.bool, device=device)
            generator(torch.zeros(batch, channels, y, x, device=device), mask)

    return largest_batch(run)
