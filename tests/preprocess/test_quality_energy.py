"""Entropy focus and energy ratio: limits of their range, other code, and laws of scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harmonize_kit.preprocess.quality.energy import efc, fber


def test_range_of_the_entropy() -> None:
    one = np.zeros(1000)
    one[17] = 5.0
    assert efc(one) == pytest.approx(0.0, abs=1e-12)
    assert efc(np.full((7, 8, 9), 3.0)) == pytest.approx(1.0)
    assert efc(np.zeros(50)) is None


def test_entropy_from_a_library_function() -> None:
    values = np.random.default_rng(1).gamma(1.0, 40.0, (11, 12, 13))
    shares = (values / np.linalg.norm(values)).ravel()
    # scipy normalises the shares to a sum of one, which is put back here.
    total = shares.sum()
    unnormalised = total * (float(stats.entropy(shares)) - np.log(total))
    n = values.size
    assert efc(values) == pytest.approx(unnormalised / (np.sqrt(n) * np.log(np.sqrt(n))))


def test_entropy_knows_no_unit_and_ignores_negative_values() -> None:
    values = np.random.default_rng(2).normal(0.0, 40.0, 4000)
    assert efc(7.3 * values) == pytest.approx(efc(values))
    assert efc(np.maximum(values, 0.0)) == efc(values)


def test_ghosts_and_noise_raise_the_entropy() -> None:
    rng = np.random.default_rng(5)
    image = np.zeros((30, 30, 30))
    image[8:20, 8:20, 8:20] = 100.0
    ghosted = image + 0.1 * np.roll(image, 15, axis=1)
    noisy = np.abs(image + rng.normal(0.0, 3.0, image.shape))
    clean = efc(image)
    assert clean is not None
    assert (efc(ghosted) or 0.0) > clean + 0.01
    assert (efc(noisy) or 0.0) > clean + 0.01


def test_energy_ratio() -> None:
    head, air = np.array([10.0, 20.0, 30.0]), np.array([-1.0, 2.0, 3.0])
    assert fber(head, air) == pytest.approx(400.0 / 4.0)
    assert fber(5.0 * head, 5.0 * air) == pytest.approx(100.0)
    assert fber(head, np.array([0.0, 0.0, 3.0])) is None
    assert fber(np.empty(0), air) is None
