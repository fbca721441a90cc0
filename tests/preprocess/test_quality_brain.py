"""Tissues and nonuniformity of a brain: planted fields and fractions are found again."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.config.quality import Contrast, QualityConfig
from harmonize_kit.preprocess.quality.brain import measure_brain
from harmonize_kit.preprocess.quality.nonuniformity import nonuniformity
from harmonize_kit.preprocess.quality.tissues import ORDER, tissue_masks

SPACING = (4.0, 4.0, 4.0)


def _brain(contrast: Contrast = "t1", noise: float = 10.0) -> tuple[np.ndarray, ...]:
    """A ball of three tissues in blobs; returns intensities, the ball, and the tissues' numbers."""
    z, y, x = np.indices((36, 36, 36)) - 18.0
    ball = z**2 + y**2 + x**2 < 16.0**2
    waves = np.sin(z / 2.5) + np.sin(y / 2.5 + 1.0) + np.sin(x / 2.5 + 2.0)
    rank = np.digitize(waves, (-0.8, 0.6))
    image = np.array([300.0, 650.0, 1000.0])[rank]
    image = image + np.random.default_rng(0).normal(0.0, noise, image.shape)
    return image, ball, rank


@pytest.mark.parametrize("contrast", ["t1", "t2", "flair"])
def test_tissues_are_named_by_the_contrast(contrast: Contrast) -> None:
    image, ball, rank = _brain(contrast)
    found = tissue_masks(image, ball, SPACING, contrast)
    assert not any((mask & ~ball).any() for mask in found.values())
    assert np.array_equal(sum(mask.astype(int) for mask in found.values()), ball.astype(int))
    for number, tissue in enumerate(ORDER[contrast]):
        truth = ball & (rank == number)
        assert (found[tissue] & truth).sum() > 0.97 * truth.sum()


def test_statistics_are_those_of_the_tissues() -> None:
    image, ball, rank = _brain()
    found = measure_brain(image, ball, SPACING, "t1", QualityConfig(nonuniformity=False))
    white = float(np.median(image[ball & (rank == 2)]))
    assert found.scale == pytest.approx(1000.0 / white, rel=1e-3)
    assert found.tissues["gm"]["median"] == pytest.approx(650.0 * 1000.0 / white, rel=0.01)
    assert found.tissues["wm"]["n"] == pytest.approx(float((ball & (rank == 2)).sum()), rel=0.03)
    assert found.field is None


def test_a_brain_of_one_intensity_has_no_tissues() -> None:
    _, ball, _ = _brain()
    found = measure_brain(np.full(ball.shape, 7.0), ball, SPACING, "t1", QualityConfig())
    assert found.tissues == {}
    assert found.scale == 1.0


def test_planted_field_is_found() -> None:
    image, ball, _ = _brain()
    along = (np.arange(36.0)[:, None, None] - 18.0) / 16.0
    for strength in (0.0, 0.5):
        planted = np.exp(strength * along) * np.ones(image.shape)
        low, high = np.percentile(planted[ball], (5, 95))
        found = nonuniformity(image * planted, ball, SPACING)
        assert found is not None
        assert found.spread == pytest.approx(high - low, rel=0.2, abs=0.03)
        assert np.exp(np.log(found.field[ball]).mean()) == pytest.approx(1.0)
        assert found.median == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(np.log(found.field[ball]), np.log(planted[ball]))[0, 1] > 0.98
    again = nonuniformity(image * planted, ball, SPACING)
    assert again is not None
    assert np.array_equal(again.field, found.field)


def test_too_small_a_brain_has_no_field() -> None:
    image, ball, _ = _brain()
    assert nonuniformity(image[:2], ball[:2], SPACING) is None
    assert nonuniformity(-image, ball, SPACING) is None
