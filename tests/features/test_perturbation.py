"""Perturbations: each changes what it says, by as much as it says, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import make_volume
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import validate_config
from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import ConfigError, ImageError, MaskError
from harmonize_kit.features.perturbation import (
    Perturbation,
    noise_level,
    perturb,
    perturbations,
)
from harmonize_kit.features.rim import change_volume
from harmonize_kit.features.surroundings import needed_margin

SPACING = (0.8, 1.1, 2.0)
# Turned in space, so that an axis of the array is none of the patient.
TILTED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)


def smooth(shift: tuple[float, float, float] = (0, 0, 0), size: int = 24) -> NDArray[np.float64]:
    """A smooth function of the voxel index (x, y, z), moved by a part of a voxel."""
    z, y, x = np.mgrid[:size, :size, :size].astype(float)
    x, y, z = x + shift[0], y + shift[1], z + shift[2]
    return 50 * np.sin(x / 5) + 30 * np.cos(y / 6) + 20 * np.sin((x + z) / 7)


def ball(size: int = 24, radius: float = 6) -> NDArray[np.uint8]:
    z, y, x = np.mgrid[:size, :size, :size] - (size - 1) / 2
    return (z**2 + y**2 + x**2 <= radius**2).astype(np.uint8)


def volume(direction: tuple[float, ...] = TILTED) -> Volume:
    return Volume(smooth(), Geometry((24, 24, 24), SPACING, (-50, 12, 7), direction), ball())


def mask_of(found: Volume) -> NDArray[np.bool_]:
    assert found.mask is not None
    return found.mask > 0


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.75])
def test_a_translation_reads_the_image_between_its_voxels(fraction: float) -> None:
    found = perturb(volume(), 1, Perturbation("translation", fraction), rng())
    inner = (slice(5, -5),) * 3
    assert np.allclose(found.array[inner], smooth((fraction, fraction, fraction))[inner], atol=0.02)
    assert found.geometry == volume().geometry
    # The region moves along: its middle lies a fraction of a voxel lower on the new grid.
    middle = np.mean(np.argwhere(mask_of(found)), axis=0)
    assert middle == pytest.approx([11.5 - fraction] * 3, abs=0.2)
    assert mask_of(found).sum() == pytest.approx(ball().sum(), rel=0.06)


@pytest.mark.parametrize("direction", [TILTED, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)])
def test_a_rotation_turns_image_and_mask_in_the_plane_of_the_slices(
    direction: tuple[float, ...],
) -> None:
    mask = np.zeros((24, 24, 24), np.uint8)
    mask[8:16, 6:18, 9:15] = 1
    before = replace(volume(direction), mask=mask)
    before = before.with_array(np.where(mask, 100.0, 0.0))
    found = perturb(before, 1, Perturbation("rotation", 30.0), rng())
    assert set(np.unique(np.nonzero(mask_of(found))[0])) == set(range(8, 16))
    points = (np.argwhere(mask_of(found)) - 11.5) * np.array(SPACING[::-1])
    _, axes = np.linalg.eigh(np.cov(points[:, 1:].T))
    long_axis = axes[:, 1]
    assert abs(long_axis @ [np.cos(np.radians(30)), np.sin(np.radians(30))]) == pytest.approx(
        1, abs=2e-3
    ) or abs(long_axis @ [np.cos(np.radians(30)), -np.sin(np.radians(30))]) == pytest.approx(
        1, abs=2e-3
    )
    # Half the edge lies on either side of the mask's.
    assert found.array[mask_of(found)].min() > 20
    assert mask_of(found).sum() == pytest.approx(mask.sum(), rel=0.04)


def test_there_and_back_again() -> None:
    there = perturb(volume(), 1, Perturbation("rotation", 12.0), rng())
    back = perturb(there, 1, Perturbation("rotation", -12.0), rng())
    inside = ball() == 1
    assert np.allclose(back.array[inside], smooth()[inside], atol=0.1)
    assert np.mean(mask_of(back) != inside) < 0.002


@pytest.mark.parametrize("sd", [0.5, 4.0, 30.0])
def test_noise_is_as_strong_as_that_of_the_image(sd: float) -> None:
    noisy = smooth() + rng().normal(0, sd, (24, 24, 24))
    noisy[:, :, 20:] = -1000.0
    inside = ball() == 1
    assert noise_level(noisy, inside) == pytest.approx(sd, rel=0.1)
    found = perturb(volume().with_array(noisy), 1, Perturbation("noise", 1), rng())
    assert (found.array - noisy).std() == pytest.approx(sd, rel=0.1)
    assert np.array_equal(mask_of(found), inside)
    again = perturb(volume().with_array(noisy), 1, Perturbation("noise", 1), rng())
    assert np.array_equal(found.array, again.array)
    other = perturb(
        volume().with_array(noisy), 1, Perturbation("noise", 1), np.random.default_rng(8)
    )
    assert not np.array_equal(found.array, other.array)


def test_a_constant_image_has_no_noise() -> None:
    assert noise_level(np.full((24, 24, 24), 3.0), ball() == 1) < 1e-12


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9),
    st.floats(-0.95, 0.95).filter(lambda f: abs(f) > 0.01),
    st.integers(0, 99),
    st.tuples(*[st.floats(0.4, 5)] * 3),
)
def test_a_mask_changes_by_the_fraction_of_its_volume(
    radius: int, fraction: float, seed: int, spacing: tuple[float, float, float]
) -> None:
    inside = ball(radius=radius) == 1
    wanted = round(inside.sum() * (1 + fraction))
    if wanted < 1:
        return
    found = change_volume(inside, spacing, fraction, np.random.default_rng(seed))
    assert found.sum() == wanted
    assert not (found & ~inside).any() if fraction < 0 else not (inside & ~found).any()


def test_a_mask_grows_at_its_rim_alike_on_all_sides_in_mm() -> None:
    inside = np.zeros((41, 41, 41), bool)
    inside[18:23, 18:23, 18:23] = True
    grown = change_volume(inside, (1.0, 1.0, 4.0), 0.9, rng())
    extent = [np.ptp(axis) + 1 for axis in np.nonzero(grown)]
    assert extent[0] == 5
    assert extent[1:] == [7, 7]


def test_a_region_at_the_border_shrinks_there_too_and_a_full_image_cannot_grow() -> None:
    inside = np.ones((6, 6, 6), bool)
    shrunk = change_volume(inside, (1.0, 1.0, 1.0), -0.75, rng())
    assert np.array_equal(np.argwhere(shrunk).min(axis=0), [1, 1, 1])
    with pytest.raises(MaskError) as raised:
        change_volume(inside, (1.0, 1.0, 1.0), 0.1, rng())
    assert raised.value.code == "OUTSIDE_IMAGE"


@pytest.mark.parametrize("perturbation", perturbations(RobustnessConfig()))
def test_a_perturbed_region_bears_its_label_alone(perturbation: Perturbation) -> None:
    before = make_volume()
    found = perturb(before, 2, perturbation, rng())
    assert found.mask is not None
    assert found.mask.dtype == before.mask.dtype  # type: ignore[union-attr]
    assert set(np.unique(found.mask)) == {0, 2}
    assert found.geometry == before.geometry
    assert set(np.unique(before.mask)) == {0, 1, 2}  # type: ignore[arg-type]


def test_a_hole_in_the_image_is_refused_where_it_would_spread() -> None:
    array = smooth()
    array[0, 0, 0] = np.nan
    for kind in ("translation", "rotation"):
        with pytest.raises(ImageError) as raised:
            perturb(volume().with_array(array), 1, Perturbation(kind, 0.5), rng())
        assert raised.value.code == "NONFINITE"
    grown = perturb(volume().with_array(array), 1, Perturbation("volume", 0.1), rng())
    assert np.isnan(grown.array[0, 0, 0])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"translations": [1.5]}, "fractions of a voxel between 0 and 1"),
        ({"rotations": [0]}, "other than 0"),
        ({"volume_changes": [-1.0]}, "between -1 and 1"),
        ({"rotations": [5, 5]}, "different values"),
        ({"translations": [], "rotations": [], "noise": 0, "volume_changes": []}, "at least one"),
        ({"noise": -1}, "greater than or equal to 0"),
        ({"nosie": 1}, "noise"),
    ],
)
def test_a_meaningless_configuration_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        validate_config(wrong, "options", RobustnessConfig)


@pytest.mark.parametrize(
    "perturbation",
    [
        Perturbation("translation", 0.25),
        Perturbation("rotation", 10),
        Perturbation("rotation", -75),
    ],
)
@pytest.mark.parametrize("margin", [(1, 1, 1), (4, 0, 2)])
def test_a_part_of_the_image_is_interpolated_as_in_the_whole(
    perturbation: Perturbation, margin: tuple[int, int, int]
) -> None:
    size = 70
    noise = rng().normal(0, 20, (size, size, size))
    z, y, x = np.mgrid[:size, :size, :size]
    mask = (((z - 30) / 3) ** 2 + ((y - 34) / 4) ** 2 + ((x - 40) / 5) ** 2 <= 1).astype(np.uint8)
    before = Volume(noise, Geometry((size, size, size), SPACING, (3, 2, 1), TILTED), mask)
    whole = perturb(before, 1, perturbation, rng())
    part = perturb(before, 1, perturbation, rng(), margin)
    assert part.array.size < 0.2 * whole.array.size
    # Where the part lies in the whole.
    direction = np.array(TILTED).reshape(3, 3)
    offset = np.subtract(part.geometry.origin, before.geometry.origin) @ direction
    start = np.rint(offset / SPACING).astype(int)
    cut = tuple(
        slice(low, low + count) for low, count in zip(start[::-1], part.array.shape, strict=True)
    )
    assert np.allclose(part.array, whole.array[cut], atol=1e-9)
    assert np.array_equal(mask_of(part), mask_of(whole)[cut])
    assert mask_of(part).sum() == mask_of(whole).sum()
    # The moved region keeps its margin on every side.
    for axis, room in enumerate(margin[::-1]):
        places = np.nonzero(mask_of(part))[axis]
        assert places.min() >= room
        assert places.max() < part.array.shape[axis] - room


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (1, 1, 1)),
        ({"imageType": {"Original": None, "Wavelet": None}}, (6, 6, 6)),
        ({"imageType": {"Gradient": None}}, (1, 1, 1)),
        ({"imageType": {"LoG": {"sigma": [1.0, 2.0]}}}, (68, 50, 27)),
        ({"setting": {"normalize": True}}, None),
        ({"setting": {"resampledPixelSpacing": [1, 1, 1]}}, None),
        ({"imageType": {"Square": None}}, None),
    ],
)
def test_the_margin_is_that_of_the_filter_that_sees_farthest(
    config: dict[str, Any], expected: tuple[int, int, int] | None
) -> None:
    assert needed_margin(ExtractionConfig(**config), SPACING) == expected
