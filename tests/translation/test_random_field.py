"""Random smooth gains: of the form and size that is said, the same however work is shared."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch import Tensor  # noqa: E402

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
)
from harmonize_kit.translation import draws  # noqa: E402
from harmonize_kit.translation.augmentation import powers  # noqa: E402
from harmonize_kit.translation.cyclegan import Batch, CycleGAN, translate  # noqa: E402
from harmonize_kit.translation.draws import draws_of  # noqa: E402
from harmonize_kit.translation.objectives import generator_losses  # noqa: E402
from harmonize_kit.translation.random_field import shaded  # noqa: E402

CPU = torch.device("cpu")
SIZES = {2: (24, 32), 3: (12, 16, 20)}


def images(dimensions: int = 2, n: int = 4) -> tuple[Tensor, Tensor]:
    size = SIZES[dimensions]
    shown = torch.randn(n, 2, *size, generator=torch.Generator().manual_seed(3)) - 4
    mask = torch.zeros(n, 1, *size, dtype=torch.bool)
    mask[(..., *(slice(3, -3) for _ in size))] = True
    return torch.where(mask, shown, 0), mask


def made(x: Tensor, mask: Tensor, spread: float = 0.1, step: int = 0) -> Tensor:
    return shaded(x, mask, spread, draws_of(0, step, CPU))


def gains(x: Tensor, mask: Tensor, changed: Tensor) -> tuple[Tensor, Tensor]:
    """What intensities above the lowest were multiplied by, and where that can be told."""
    low = x.masked_fill(~mask, torch.inf).flatten(2).amin(2)
    low = low.reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    told = mask & (x > low + 0.1)
    return (changed - low) / (x - low), told


def polynomial(dimensions: int) -> Tensor:
    """The terms of a field at every voxel, the constant first."""
    lines = [(2 * torch.arange(n) + 1 - n) / n for n in SIZES[dimensions]]
    grids = torch.meshgrid(*lines, indexing="ij")
    return torch.stack([
        torch.stack([grid**n for grid, n in zip(grids, each, strict=True)]).prod(0)
        for each in powers(dimensions)
    ], dim=-1).double()  # fmt: skip


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_gain_is_the_exponential_of_a_cubic_and_has_the_mean_1(dimensions: int) -> None:
    x, mask = images(dimensions)
    changed = made(x, mask)
    gain, told = gains(x, mask, changed)
    terms = polynomial(dimensions)
    inside = mask[0, 0]
    for image in range(len(x)):
        for channel in range(2):
            seen = told[image, channel]
            design = terms[seen]
            log = gain[image, channel][seen].double().log()[:, None]
            found = torch.linalg.lstsq(design, log).solution
            torch.testing.assert_close(design @ found, log, atol=2e-3, rtol=0)
            mean = (terms[inside] @ found).exp().mean().item()
            assert mean == pytest.approx(1, abs=1e-3)
    # Neither images nor modalities share a gain, and outside there is none.
    assert (gain[0] - gain[1])[told[0] & told[1]].abs().max() > 0.02
    assert (gain[:, 0] - gain[:, 1])[told[:, 0] & told[:, 1]].abs().max() > 0.02
    outside = ~mask.expand_as(x)
    assert torch.equal(changed[outside], x[outside])


def test_the_spread_is_that_of_the_coefficients() -> None:
    x, mask = images(n=100)
    gain, told = gains(x, mask, made(x, mask, 0.1))
    design = polynomial(2)
    found = [
        torch.linalg.lstsq(design[seen], each[seen].double().log()[:, None]).solution[1:, 0]
        for each, seen in zip(gain[:, 0], told[:, 0], strict=True)
    ]
    # The constant is set by the mean of the gain.
    spreads = torch.stack(found).std(0)
    assert spreads.tolist() == pytest.approx([0.1] * len(spreads), rel=0.25)
    assert spreads.mean().item() == pytest.approx(0.1, rel=0.08)
    assert torch.allclose(made(x, mask, 0.0), x, atol=1e-5)


def test_16_bits_do_not_coarsen_it() -> None:
    x, mask = images()
    with torch.autocast("cpu", torch.bfloat16):
        coarse = made(x, mask)
    torch.testing.assert_close(coarse, made(x, mask))


def test_draws_are_those_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    x, mask = images()
    whole = made(x, mask)
    assert torch.equal(made(x, mask), whole)
    assert not torch.equal(made(x, mask, step=1), whole)
    for rank in (0, 1):
        monkeypatch.setattr(draws, "place", lambda rank=rank: (rank, 2))
        share = slice(2 * rank, 2 * rank + 2)
        torch.testing.assert_close(made(x[share], mask[share]), whole[share])


def test_images_that_tell_nothing_stay_finite_and_so_do_gradients() -> None:
    x, mask = images()
    for shown, inside in ((torch.full_like(x, 2.5), mask), (x, torch.zeros_like(mask))):
        leaf = shown.clone().requires_grad_()
        changed = made(leaf, inside, 1.0)
        changed.sum().backward()
        assert leaf.grad is not None
        assert changed.isfinite().all()
        assert leaf.grad.isfinite().all()
    assert torch.equal(made(x, torch.zeros_like(mask)), x)


def test_what_comes_back_to_the_reference_is_asked_to_have_lost_it() -> None:
    torch.manual_seed(0)
    networks = CycleGAN("RS", "R", GeneratorConfig(features=4, blocks=1),
                        DiscriminatorConfig(features=4, layers=1))  # fmt: skip
    x, mask = (one[:, :1] for one in images())
    batch = Batch(x, mask)
    # Generators that change nothing: what comes back is what was laid on it.
    plain = translate(networks, "S", batch, batch)
    laid = translate(networks, "S", batch, batch, draws_of(0, 0, CPU), 0.1)
    torch.testing.assert_close(plain.reference_again, x)
    torch.testing.assert_close(laid.reference_again, made(x, mask))
    torch.testing.assert_close(laid.to_site, x)
    torch.testing.assert_close(laid.site_again, x)
    config = ObjectiveConfig(cycle=1, replay=0)
    cycle = generator_losses(networks, "S", batch, batch, laid, config)["cycle"].item()
    apart = (made(x, mask) - x)[mask].square().mean().item()
    assert cycle == pytest.approx(apart, rel=1e-4)
