"""Blur and noise that are known are told by spectra, though no image was in both sites."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.blur_and_noise import (
    TILE,
    by_frequency,
    fit_blur_and_noise,
    measure,
    spectra,
    transfer,
)
from harmonize_kit.translation.store import SlicedCase, SliceStore, open_store, write_store

SHAPE = (10, 64, 64)


def texture(rng: np.random.Generator) -> np.ndarray:
    """A volume whose spectrum falls with frequency, as that of tissue does."""
    drawn = np.fft.fftn(rng.normal(size=SHAPE), axes=(1, 2))
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in SHAPE[1:]), indexing="ij"))
    made = np.fft.ifftn(drawn / (0.03 + f) ** 1.5, axes=(1, 2)).real
    return made / made.std()


def store(
    folder: Path,
    blur: float,
    noise: float,
    *,
    contrast: float = 1.0,
    mask: np.ndarray | None = None,
) -> SliceStore:
    rng = np.random.default_rng(4)
    inside = np.ones(SHAPE, dtype=bool) if mask is None else mask
    cases: list[SlicedCase] = []
    for number, site in enumerate("RSRSRS"):
        image = texture(rng)
        if site == "S":
            # Blur wraps around, as the spectrum of a whole slice would have it.
            image = contrast * ndimage.fourier_gaussian(np.fft.fftn(image), (0, blur, blur))
            image = np.fft.ifftn(image).real
            image += rng.normal(0, noise, size=SHAPE) if noise else 0
        cases.append(SlicedCase(f"{site}{number}", site, {}, image[:, None], inside))
    write_store(folder, cases, SHAPE[1:])
    return open_store(folder)


def passed(blur: float) -> float:
    """What a blur leaves of the finest waves."""
    return float(transfer(blur)[0, TILE // 2])


@pytest.mark.parametrize(("blur", "noise"), list(product((0.0, 0.6, 1.0), (0.0, 0.15))))
def test_what_was_done_to_one_site_is_told(tmp_path: Path, blur: float, noise: float) -> None:
    (found,) = measure(store(tmp_path / "s", blur, noise, contrast=0.8), "R", ["S"])["S"]
    # Of a width below a third of a voxel there is nothing to see, so that what passes is compared.
    assert passed(found.blur) == pytest.approx(passed(blur), abs=0.05)
    assert found.noise == pytest.approx(noise, abs=0.02)
    assert found.misfit < 0.1


def test_of_the_sharper_and_quieter_site_nothing_is_told(tmp_path: Path) -> None:
    (found,) = measure(store(tmp_path / "s", 0.8, 0.2), "S", ["R"])["R"]
    assert found.blur == 0
    assert found.noise == 0


def test_the_law_itself_is_found_exactly() -> None:
    f = by_frequency(np.hypot(*np.meshgrid(np.fft.fftfreq(TILE), np.fft.fftfreq(TILE))))
    reference = 1 / (0.05 + f) ** 3
    site = 0.9**2 * by_frequency(transfer(0.7) ** 2) * reference + 0.3**2
    found = fit_blur_and_noise(reference, site)
    assert found.blur == pytest.approx(0.7, abs=1e-3)
    assert found.noise == pytest.approx(0.3, rel=1e-3)
    assert found.misfit < 1e-3


def test_white_noise_has_its_variance_at_every_frequency(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    cases = [
        SlicedCase("a", "A", {}, rng.normal(5, (2.0, 0.5), (64, 64, 64, 2)).transpose(0, 3, 1, 2),
                   np.ones((64, 64, 64), dtype=bool))
    ]  # fmt: skip
    write_store(tmp_path / "s", cases, (64, 64))
    for found, spread in zip(spectra(open_store(tmp_path / "s"), "A"), (2.0, 0.5), strict=True):
        np.testing.assert_allclose(found, spread**2, rtol=0.05)


def test_the_rim_of_a_brain_has_no_part_in_it(tmp_path: Path) -> None:
    y, x = np.ogrid[-1:1:64j, -1:1:64j]
    disc = np.repeat(((y**2 + x**2) < 0.8)[None], SHAPE[0], axis=0)
    # The same rim at both sites would hide a blur that it does not share.
    (found,) = measure(store(tmp_path / "s", 0.6, 0.1, mask=disc), "R", ["S"])["S"]
    assert found.blur == pytest.approx(0.6, abs=0.08)
    assert found.noise == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("blurs", "noises", "expected"),
    [
        ((0.0, 0.6), (0.0, 0.1), (0.6, 0.1)),  # blurrier and noisier
        ((0.6, 0.0), (0.0, 0.1), (0.0, 0.1)),  # sharper, and noisier
        ((0.0, 0.6), (0.1, 0.0), (0.6, 0.0)),  # blurrier, and less noisy
        ((0.6, 0.0), (0.1, 0.0), (0.0, 0.0)),
    ],
)
def test_blur_and_noise_are_told_each_for_itself(
    blurs: tuple[float, float], noises: tuple[float, float], expected: tuple[float, float]
) -> None:
    along = np.square(np.fft.fftfreq(TILE))
    tissue = by_frequency(1 / np.square(0.02 + along[:, None] + along))
    reference, site = (
        by_frequency(transfer(blur) ** 2) * tissue / tissue.mean() + noise**2
        for blur, noise in zip(blurs, noises, strict=True)
    )
    found = fit_blur_and_noise(reference, site)
    assert found.blur == pytest.approx(expected[0], abs=0.08)
    assert found.noise == pytest.approx(expected[1], abs=0.03)


def test_heads_too_small_to_tell_by_are_refused(tmp_path: Path) -> None:
    small = np.zeros(SHAPE, dtype=bool)
    small[:, 20:35, 20:60] = True
    with pytest.raises(ConfigError, match="16 x 16 voxels, got none at 'R'"):
        measure(store(tmp_path / "s", 0.6, 0.1, mask=small), "R", ["S"])
