"""Training and use of the published networks against the rate of the card they run on.

    .venv/bin/python tests/benchmarks/training.py [--batches 4 8 16 32] [--steps 20] [--compile]
    .venv/bin/python tests/benchmarks/training.py --small [--compile] [--augment]

On a GPU: 4 modalities of 256 x 256 voxels, the full-size networks, bf16, channels last. The rate of
the card is measured in the same run, by a product of large matrices; the operations of a step and
of a volume are counted on the networks themselves. Beside it, on the same card, the published loop:
32 bits with TF32, every pass on its own. Steps are run once with every wait for the card made an
error.

``--compile`` does the same once more with networks that torch.compile has fused, and says how long
their first steps took. ``--augment`` moves training slices as ``training.augmentation`` does.

``--small`` does the same with small networks on whatever there is, so that the script is known to
work; its shares say nothing of a GPU.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from harmonize_kit.config.translation import (
    Augmentation,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    Phase,
    TrainingConfig,
)
from harmonize_kit.translation.apply import apply_generator, within_memory
from harmonize_kit.translation.cyclegan import Batch, CycleGAN, translate
from harmonize_kit.translation.device import first_batch
from harmonize_kit.translation.objectives import discriminator_losses, generator_losses
from harmonize_kit.translation.store import SlicedCase, open_store, write_store
from harmonize_kit.translation.trainer import Trainer

SITES, REFERENCE = ("A", "B"), "B"
OBJECTIVE = ObjectiveConfig()


@dataclass(frozen=True)
class Scale:
    """How large everything is."""

    size: int
    channels: int
    features: int
    blocks: int
    slices: int
    matrix: int

    def generator(self, **more: Any) -> GeneratorConfig:
        return GeneratorConfig(
            channels=self.channels, features=self.features, blocks=self.blocks, **more
        )

    def discriminator(self, **more: Any) -> DiscriminatorConfig:
        return DiscriminatorConfig(channels=self.channels, features=self.features, **more)


FULL = Scale(size=256, channels=4, features=64, blocks=9, slices=155, matrix=16384)
SMALL = Scale(size=32, channels=2, features=4, blocks=1, slices=9, matrix=512)


def wait(device: torch.device) -> None:
    """Wait until the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(run: Callable[[], object], times: int, device: torch.device) -> float:
    """Return the wall seconds of one of ``times`` runs, after one that is not counted."""
    run()
    wait(device)
    start = time.perf_counter()
    for _ in range(times):
        run()
    wait(device)
    return (time.perf_counter() - start) / times


def dense_rate(scale: Scale, device: torch.device) -> float:
    """Return operations a second of a product of large matrices in bf16."""
    n = scale.matrix
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * n**3 / seconds(lambda: a @ b, 10 if device.type == "cuda" else 1, device)


def counted(scale: Scale) -> tuple[float, float]:
    """Return the operations of a training step a sample, and of a generator's pass a slice.

    A sample is an image of either site. Nothing is computed: shapes are enough to count.
    """
    n = scale.size
    networks = CycleGAN(SITES, REFERENCE, scale.generator(), scale.discriminator()).to("meta")
    x, r = (
        Batch(
            torch.zeros(1, scale.channels, n, n, device="meta"),
            torch.ones(1, 1, n, n, dtype=torch.bool, device="meta"),
        )
        for _ in range(2)
    )
    with FlopCounterMode(display=False) as step:
        networks.judges.requires_grad_(False)
        made = translate(networks, "A", x, r)
        losses = generator_losses(networks, "A", x, r, made, OBJECTIVE)
        torch.stack(list(losses.values())).sum().backward()
        networks.judges.requires_grad_(True)
        losses = discriminator_losses(
            networks, "A", x, r, made, OBJECTIVE, lambda _, shown: shown, penalise=False
        )
        torch.stack(list(losses.values())).sum().backward()
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        networks.forwards(x.images, x.mask)
    return float(step.get_total_flops()), float(forward.get_total_flops())


def make_store(scale: Scale, folder: Path) -> None:
    """Write heads of noise."""
    rng, n = np.random.default_rng(0), scale.size
    y, x = np.ogrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
    mask = np.repeat((y**2 + x**2 < 0.8)[None], 8, axis=0)
    shape = (8, scale.channels, n, n)
    cases = (
        SlicedCase(f"{number}", SITES[number % 2], {}, rng.normal(size=shape), mask)
        for number in range(8)
    )
    write_store(folder, cases, (n, n))


def train_seconds(
    scale: Scale, store: Path, batch: int, steps: int, device: torch.device, *, fused: bool,
    varied: bool,
) -> tuple[float, float]:  # fmt: skip
    """Return the seconds of the first three steps of the trainer, and of one that follows.

    Waiting for the card in a step is an error.
    """
    config = TrainingConfig(
        phases=(Phase(steps=10**6),), batch=batch, precision="bf16", compile=fused,
        log_every=10**6, checkpoint_every=10**6,
        augmentation=Augmentation(elastic=0.02) if varied else None,
    )  # fmt: skip
    networks = CycleGAN(SITES, REFERENCE, scale.generator(), scale.discriminator())
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(networks, open_store(store), OBJECTIVE, config, Path(folder), device)
        with trainer.loader() as loader:
            start = time.perf_counter()
            for _ in range(3):
                trainer.advance(loader)
            wait(device)
            first = time.perf_counter() - start
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("error")
                trainer.advance(loader)
                torch.cuda.set_sync_debug_mode("default")
            return first, seconds(lambda: trainer.advance(loader), steps, device)


def published_seconds(scale: Scale, batch: int, steps: int, device: torch.device) -> float:
    """Return the seconds of one step of the loop that came with the paper (Zhu et al. 2017).

    Six passes of the generators one after the other, absolute norms, instance norm in both
    networks, transposed upsampling, 32 bits with TF32.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    theirs = scale.generator(head="direct", upsampling="transposed")
    networks = CycleGAN(
        SITES, REFERENCE, theirs, scale.discriminator(spectral_norm=False)
    ).to(device)  # fmt: skip
    # Its images lie within -1 and 1 already: nothing is scaled on the way in and out.
    there, back = (
        cast(torch.nn.Module, one.generator) for one in (networks.forwards, networks.back_to("A"))
    )
    of_a, of_b = networks.judge_of("A"), networks.judge_of("B")
    generators = [*there.parameters(), *back.parameters()]
    one = torch.optim.Adam(generators, 2e-4, (0.5, 0.999))
    two = torch.optim.Adam(networks.judges.parameters(), 2e-4, (0.5, 0.999))
    shape = (batch, scale.channels, scale.size, scale.size)
    a, b = (torch.rand(shape, device=device) * 2 - 1 for _ in range(2))
    apart = torch.nn.functional.l1_loss

    def right(verdict: torch.Tensor, goal: float) -> torch.Tensor:
        return torch.nn.functional.mse_loss(verdict, torch.full_like(verdict, goal))

    def step() -> None:
        networks.judges.requires_grad_(False)
        made_b, made_a = there(a), back(b)
        loss = right(of_b(made_b)[0], 1) + right(of_a(made_a)[0], 1)
        loss = loss + 10 * (apart(back(made_b), a) + apart(there(made_a), b))
        loss = loss + 5 * (apart(there(b), b) + apart(back(a), a))
        one.zero_grad()
        loss.backward()
        one.step()
        networks.judges.requires_grad_(True)
        two.zero_grad()
        for judge, real, made in ((of_b, b, made_b), (of_a, a, made_a)):
            wrong = right(judge(made.detach())[0], 0)
            (0.5 * (right(judge(real)[0], 1) + wrong)).backward()
        two.step()

    return seconds(step, steps, device)


def use_seconds(scale: Scale, steps: int, device: torch.device, *, fused: bool) -> float:
    """Return the seconds in which a volume is translated, from memory to memory."""
    generator = CycleGAN(SITES, REFERENCE, scale.generator(), scale.discriminator()).forwards
    generator.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    generator.eval().requires_grad_(False)
    if fused:
        generator.compile()
    rng = np.random.default_rng(0)
    shape = (scale.channels, scale.slices, scale.size, scale.size)
    images = rng.normal(size=shape).astype(np.float32)
    mask = np.ones(shape[1:], dtype=bool)

    def use(batch: int) -> object:
        return apply_generator(
            generator, scale.generator(), images, mask, batch=batch, device=device,
            precision="bf16",
        )  # fmt: skip

    # As in use, where the first volume of a size finds the batch for those that follow.
    _, batch = within_memory(use, first_batch(scale.generator(), device))
    return seconds(lambda: use(batch), steps, device)


def main() -> None:
    """Print rates, shares and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small networks, on a processor too")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse networks")
    parser.add_argument("--augment", action="store_true", help="move the training slices")
    said = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not said.small:
        parser.error("full-size networks need a GPU; say --small to try the script without")
    scale = SMALL if said.small else FULL
    batches, steps = ([1, 2], 2) if said.small else (said.batches, said.steps)
    a_step, a_slice = counted(scale)
    full_step, full_slice = counted(FULL)
    rate = dense_rate(scale, device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    print(f"{name}: {rate / 1e12:.3g} TFLOP/s in bf16, torch {torch.__version__}")
    print(f"full size: {full_step / 1e12:.3f} TFLOP a sample and step, "
          f"{full_slice / 1e12:.4f} a slice in use")  # fmt: skip
    print(f"floor at full size and this rate: {full_step / rate:.3g} s a sample and step, "
          f"{155 * full_slice / rate:.3g} s a volume of 155 slices")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        make_store(scale, store)
        best = 0.0
        for batch in batches:
            for fused in (False, True) if said.compile else (False,):
                first, taken = train_seconds(
                    scale, store, batch, steps, device, fused=fused, varied=said.augment
                )
                best = max(best, batch / taken)
                print(f"batch {batch:3d}{', compiled' * fused}: {1e3 * taken:9.1f} ms a step, "
                      f"{batch / taken:8.2f} samples/s, "
                      f"{a_step * batch / taken / rate:.1%} of the rate, "
                      f"the first three {first:.1f} s")  # fmt: skip
    plain = max(n / published_seconds(scale, n, steps, device) for n in {1, batches[-1]})
    print(f"published loop: {plain:.2f} samples/s; ours {best / plain:.2f} times as many")
    taken = use_seconds(scale, 3, device, fused=said.compile)
    print(f"a volume of {scale.slices} slices: {taken:.3f} s, "
          f"{a_slice * scale.slices / taken / rate:.1%} of the rate")  # fmt: skip


if __name__ == "__main__":
    main()
