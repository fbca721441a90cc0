"""The gain of noise through generators whose gain is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch import Tensor, nn  # noqa: E402

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig  # noqa: E402
from harmonize_kit.translation.cyclegan import Batch, CycleGAN  # noqa: E402
from harmonize_kit.translation.draws import draws_of  # noqa: E402
from harmonize_kit.translation.noise_gain import noise_gain  # noqa: E402

CPU = torch.device("cpu")


class Known(nn.Module):
    """A generator that is a formula."""

    def __init__(self, formula: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Change what is inside the mask."""
        return torch.where(mask, self.formula(x), x)


def gain(formula: Callable[[Tensor], Tensor], x: Batch, step: int = 0) -> float:
    networks = CycleGAN(["A", "R"], "R", GeneratorConfig(features=4, blocks=1),
                        DiscriminatorConfig(features=4, layers=1))  # fmt: skip
    networks.forwards = Known(formula)
    made = networks.make(networks.forwards, x.images, x)
    return noise_gain(networks, x, made, draws_of(3, step, CPU)).item()


def batch(n: int = 4, size: int = 64) -> Batch:
    draws = torch.Generator().manual_seed(1)
    mask = torch.zeros(n, 1, size, size, dtype=torch.bool)
    mask[..., 4:-4, 4:-4] = True
    spreads = torch.tensor([1.0, 5.0, 0.3, 40.0])[:n].reshape(-1, 1, 1, 1)
    images = spreads * torch.randn(n, 1, size, size, generator=draws) + 7
    return Batch(torch.where(mask, images, 0), mask)


def test_the_gain_of_a_filter_is_the_sum_of_its_squared_weights() -> None:
    x = batch()
    # The sample variance of some 3,000 draws, the same for all images.
    assert gain(lambda image: image, x) == pytest.approx(1, rel=0.05)
    assert gain(lambda image: 7 - 2 * image, x) == pytest.approx(4, rel=0.05)
    blurred = gain(lambda image: nn.functional.avg_pool2d(image, 3, 1, 1), x)
    assert blurred == pytest.approx(1 / 9, rel=0.1)
    edges = torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]).reshape(1, 1, 3, 3)
    sharpened = gain(lambda image: nn.functional.conv2d(image, edges, padding=1), x)
    assert sharpened == pytest.approx(29, rel=0.05)
    assert gain(torch.zeros_like, x) == 0


def test_the_gain_is_blind_to_the_scale_of_images() -> None:
    x = batch()
    scaled = Batch(100 * x.images, x.mask)
    soft = gain(lambda image: torch.tanh(image / 100) * 100, x)
    assert gain(lambda image: torch.tanh(image / 1e4) * 1e4, scaled) == pytest.approx(soft, 1e-4)


def test_draws_are_those_of_the_step_and_the_same_for_every_share_of_a_batch() -> None:
    x = batch()
    whole = gain(torch.sin, x)
    assert gain(torch.sin, x) == whole
    assert gain(torch.sin, x, step=1) != whole
    halves = [gain(torch.sin, Batch(x.images[i : i + 2], x.mask[i : i + 2])) for i in (0, 2)]
    assert sum(halves) / 2 == pytest.approx(whole, rel=1e-5)


def test_images_that_tell_nothing_add_nothing_that_is_not_finite() -> None:
    x = batch(2)
    assert gain(torch.sin, Batch(x.images, torch.zeros_like(x.mask))) == 0
    flat = Batch(torch.ones_like(x.images), x.mask)
    assert gain(lambda image: 2 * image, flat) == pytest.approx(4, rel=0.1)


def test_its_gradient_reaches_the_generator() -> None:
    x = batch()
    networks = CycleGAN(["A", "R"], "R", GeneratorConfig(features=4, blocks=1),
                        DiscriminatorConfig(features=4, layers=1))  # fmt: skip
    made = networks.make(networks.forwards, x.images, x)
    loss = noise_gain(networks, x, made, draws_of(0, 0, CPU))
    assert loss.item() == pytest.approx(1, rel=0.05)
    loss.backward()
    weight = dict(networks.forwards.named_parameters())["last.1.weight"]
    assert weight.grad is not None
    assert weight.grad.abs().max() > 1e-3
