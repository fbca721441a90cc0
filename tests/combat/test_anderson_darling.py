"""The vectorised Anderson-Darling test gives scipy's p."""

from __future__ import annotations

import warnings
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harmonize_kit.combat.anderson_darling import anderson_darling


def scipy_p(values: NDArray[np.float64], samples: NDArray[np.int_]) -> float:
    """Return p of one feature by scipy, whose names for it changed with the versions."""
    parts = [values[samples == one] for one in range(samples.max() + 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(cast(Any, stats.anderson_ksamp)(parts).pvalue)


@pytest.mark.parametrize(("k", "n"), [(2, 16), (3, 60), (6, 150)])
def test_equals_scipy(k: int, n: int) -> None:
    rng = np.random.default_rng(k)
    samples = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    values = rng.normal(size=(n, 30)) + samples[:, None] * rng.uniform(0, 0.5, 30)
    values[:, ::3] = values[:, ::3].round(1)
    values[:, 1] = values[:, 1].round()
    got = anderson_darling(values, samples)
    expected = [scipy_p(column, samples) for column in values.T]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    assert (got < 0.05).any()
    assert (got > 0.05).any()


def test_a_constant_feature_does_not_differ() -> None:
    assert anderson_darling(np.ones((10, 1)), np.arange(10) % 2) == pytest.approx(1)


def test_equal_samples_are_told_apart_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    found = (anderson_darling(rng.normal(size=(80, 4000)), np.arange(80) % 4) < 0.05).mean()
    assert 0.035 < found < 0.065
