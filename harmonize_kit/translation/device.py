"""Where networks are trained and used: the device, the first weights, the batch that fits."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import nn

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig
from harmonize_kit.errors import DependencyError
from harmonize_kit.translation.cyclegan import CycleGAN
from harmonize_kit.translation.precision import Precision

Device = Literal["auto", "cpu", "cuda"]
BATCH_ON_GPU, BATCH_ON_CPU = 64, 8


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


def precision_on(device: torch.device, trained: object) -> Precision:
    """Return in how many bits a network works that was trained in ``trained`` bits.

    As it was trained on a GPU; a processor, to which fewer bits are no help, computes in 32.
    """
    found = {"bf16": "bf16", "fp16": "fp16"}.get(str(trained), "fp32")
    return cast(Precision, found) if device.type == "cuda" else "fp32"


def describe_device(device: torch.device) -> dict[str, str]:
    """Return what the last bits of a result depend on: the device, its name, and torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    return {"device": device.type, "device_name": name, "torch": torch.__version__}


def peak_memory(device: torch.device) -> int:
    """Return the most bytes this process has held so far: of the GPU, or else of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Linux tells kibibytes.
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


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


def first_batch(config: GeneratorConfig, device: torch.device) -> int:
    """Return how many slices, or patches, are tried at once before memory says otherwise.

    On a processor a few slices, or one patch, suffice to keep it busy.
    """
    if device.type == "cpu":
        return BATCH_ON_CPU if config.dimensions == 2 else 1
    return BATCH_ON_GPU
