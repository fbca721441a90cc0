"""Changes averaged along the slices of a volume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch import Tensor, nn  # noqa: E402

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
)
from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation.apply import apply_generator  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.generator import Generator  # noqa: E402
from harmonize_kit.translation.volume_change import along_slices  # noqa: E402

SIZE = (9, 18, 21)


def generator(**more: Any) -> Generator:
    """A generator whose changes differ from slice to slice."""
    torch.manual_seed(0)
    config = GeneratorConfig.model_validate(
        {"architecture": "unet", "features": 4, "blocks": 1, "smooth_field": True, **more}
    )
    made = Generator(config)
    for layer in (made.last[-1], made.field):
        assert layer is not None
        nn.init.normal_(layer.weight, std=0.3)  # type: ignore[arg-type]
    return made.eval()


def volume() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1, *SIZE)).astype(np.float32)
    mask = np.zeros(SIZE, dtype=bool)
    mask[1:-2, 2:-3, 3:-2] = True
    mask[3, :, :10] = False
    return images, mask


def translated(own: dict[str, Any], **more: Any) -> np.ndarray:
    images, mask = volume()
    network = generator(**own)
    more = {"spacing": (1.0, 1.0, 1.0), **more}
    return apply_generator(network, network.config, images, mask, **more).images


def test_averages_are_those_inside_the_mask() -> None:
    images, mask = volume()
    values, weight = torch.from_numpy(images), torch.from_numpy(mask).float()[None]
    got = along_slices(values, weight, 1.5).numpy()[0]
    for z, y, x in np.argwhere(mask)[::97]:
        near = np.exp(-0.5 * ((np.arange(SIZE[0]) - z) / 1.5) ** 2) * mask[:, y, x]
        assert got[z, y, x] == pytest.approx((near * images[0, :, y, x]).sum() / near.sum(), 1e-4)
    assert np.isfinite(got).all()
    even = along_slices(torch.full_like(values, 3.0), weight, 4.0).numpy()[0]
    np.testing.assert_allclose(even[mask], 3.0, rtol=1e-6)


def test_what_is_found_by_hand_from_the_slices_own_changes() -> None:
    images, mask = volume()
    network = generator(field_mm=6.0, detail_mm=2.0)
    with torch.inference_mode():
        x = nn.functional.pad(torch.from_numpy(images).transpose(0, 1), (1, 2, 1, 1))
        inside = nn.functional.pad(torch.from_numpy(mask)[:, None], (1, 2, 1, 1))
        change = network.change(torch.where(inside, x, 0))

    def along(part: Tensor | None, width: float) -> np.ndarray:
        assert part is not None
        values = part[:, :, 1:-1, 1:-2].transpose(0, 1)
        return along_slices(values, torch.from_numpy(mask).float()[None], width).numpy()

    # Slices are 2 mm apart.
    gain, offset = along(change.gain, 3), along(change.offset, 3)
    expected = images + along(change.detail, 1) + gain * images + offset
    made = apply_generator(network, network.config, images, mask, spacing=(1.0, 1.0, 2.0)).images
    np.testing.assert_allclose(made[:, mask], expected[:, mask], atol=1e-5)
    np.testing.assert_array_equal(made[:, ~mask], images[:, ~mask])


def test_widths_are_of_millimetres_and_vanish_into_slices_of_their_own() -> None:
    plain = translated({})
    wide = translated({"field_mm": 6.0, "detail_mm": 1.0}, spacing=(1.0, 1.0, 2.0))
    assert np.abs(wide - plain).max() > 0.05
    same = translated({"field_mm": 3.0, "detail_mm": 0.5})
    np.testing.assert_allclose(same, wide, atol=1e-5)
    narrow = translated({"field_mm": 1e-3, "detail_mm": 1e-3})
    np.testing.assert_allclose(narrow, plain, atol=1e-5)


def test_neither_batches_nor_16_bits_change_what_is_meant() -> None:
    own = {"field_mm": 3.0, "detail_mm": 1.0}
    whole = translated(own)
    np.testing.assert_allclose(translated(own, batch=2), whole, atol=1e-5)
    halves = translated(own, precision="bf16")
    assert halves.dtype == np.float32
    assert np.abs(halves - whole).mean() < 0.02


def test_each_plane_is_averaged_along_its_own_slices() -> None:
    images, mask = volume()
    network = generator(field_mm=4.0, detail_mm=1.0)
    spacing = (1.0, 2.0, 3.0)
    # A plane is the volume turned: what runs along its slices comes first.
    views: list[np.ndarray] = []
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        turned = images.transpose(0, *(axis + 1 for axis in order))
        z, y, x = (spacing[2 - axis] for axis in order)
        made = apply_generator(
            network, network.config, turned, mask.transpose(order), spacing=(x, y, z)
        ).images
        views.append(made[0].transpose(np.argsort(order)))
    planes = apply_generator(network, network.config, images, mask, planes=True, spacing=spacing)
    np.testing.assert_allclose(planes.images[0], np.median(views, axis=0), atol=1e-5)
    other = apply_generator(
        network, network.config, images, mask, planes=True, spacing=(3.0, 2.0, 1.0)
    )
    assert np.abs(other.images - planes.images).max() > 0.01


def test_millimetres_are_not_guessed() -> None:
    images, mask = volume()
    network = generator(detail_mm=1.0)
    with pytest.raises(ConfigError, match="spacing"):
        apply_generator(network, network.config, images, mask)


@pytest.mark.parametrize(
    "wrong",
    [
        {"smooth_field": False, "field_mm": 4},
        {"smooth_field": False, "head": "direct", "detail_mm": 1},
        {"dimensions": 3, "field_mm": 4},
        {"field_mm": -1},
        {"architecture": "custom", "custom": "mine.networks:Net", "detail_mm": 1},
    ],
)
def test_widths_are_refused_where_nothing_would_come_of_them(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"field_mm|detail_mm|smooth_field"):
        GeneratorConfig.model_validate({"smooth_field": True, **wrong})


def test_a_network_of_ones_own_has_no_field() -> None:
    config = GeneratorConfig(smooth_field=True, field_mm=4, architecture="unet", features=4)
    with pytest.raises(ConfigError, match="field_mm"):
        CycleGAN(["A", "B"], "B", config, DiscriminatorConfig(), own_generator=generator())
