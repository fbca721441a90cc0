"""ICC(2,1) against published and computed figures, and the laws it obeys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.core.agreement import intraclass_correlation

# Shrout and Fleiss 1979, table 2: six targets, four judges; they print ICC(2,1) = 0.29.
SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
RELIABLE = [
    [-1.66, -0.77, -2.13, -3.64, -3.36], [-2.37, -3.77, -5.71, -4.06, -5.14],
    [-1.37, -1.23, -1.46, -0.19, -0.81], [0.67, 1.67, 2.09, -0.38, 1.0],
    [2.43, 3.23, 2.12, 3.43, 3.37], [0.02, -0.72, -0.07, -0.76, -1.03],
    [-1.43, -2.77, -0.49, -0.94, -3.66], [-2.08, -3.46, -2.32, -2.31, -4.34],
]  # fmt: skip
SHIFTED = [
    [98.85, 100.62, 102.11], [101.4, 101.52, 105.38], [100.83, 102.04, 104.03],
    [99.16, 100.69, 104.11], [99.75, 101.34, 103.13],
]  # fmt: skip
# Value and 95 % interval by pingouin 0.6.1, ICC(A,1).
FIGURES = [
    (SHROUT_FLEISS, 0.289763779528, (0.0187865134, 0.7610843696)),
    (RELIABLE, 0.83990503382, (0.6439365276, 0.9591327519)),
    (SHIFTED, 0.143217508614, (-0.0155902484, 0.6575301515)),
]


@pytest.mark.parametrize(("ratings", "value", "interval"), FIGURES)
def test_figures_of_pingouin(
    ratings: list[list[float]], value: float, interval: tuple[float, float]
) -> None:
    found = intraclass_correlation(np.array(ratings, float)[..., None])
    assert found.value[0] == pytest.approx(value, abs=1e-11)
    assert (found.low[0], found.high[0]) == pytest.approx(interval, abs=1e-9)


def simulated(seed: int, n: int, k: int, p: int, between: float, rater: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(0, between, (n, 1, p))
        + rng.normal(0, rater, (1, k, p))
        + rng.normal(0, 1, (n, k, p))
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(2, 9), st.integers(2, 6), st.floats(0.1, 1e6))
def test_laws(seed: int, n: int, k: int, scale: float) -> None:
    data = simulated(seed, n, k, 3, 2.0, 0.5)
    found = intraclass_correlation(data)
    one_by_one = [intraclass_correlation(data[..., [j]]) for j in range(3)]
    rng = np.random.default_rng(seed)
    shuffled = data[rng.permutation(n)][:, rng.permutation(k)]
    for field in range(3):
        assert np.allclose(found[field], [one[field][0] for one in one_by_one], rtol=1e-12)
        assert np.allclose(found[field], intraclass_correlation(shuffled)[field], atol=1e-9)
        moved = intraclass_correlation(7.5 * scale + scale * data)
        assert np.allclose(found[field], moved[field], atol=1e-7)
    assert (found.value <= 1).all()
    assert (found.low <= found.value + 1e-12).all()
    assert (found.value <= found.high + 1e-12).all()


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    truth = 4 / (4 + 0.25 + 1)
    found = intraclass_correlation(simulated(1, 20, 12, 4000, 2.0, 0.5))
    covered = float(np.mean((found.low <= truth) & (truth <= found.high)))
    assert 0.93 <= covered <= 0.97


def test_a_rater_who_shifts_all_values_disagrees() -> None:
    data = np.array([[1.0, 6.0], [2.0, 7.0], [3.0, 8.0]])[..., None]
    assert intraclass_correlation(data).value[0] == pytest.approx(1 / (1 + 12.5))


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e9, 1e-200, 1e200])
def test_perfect_agreement_is_one_and_no_variation_is_undefined(offset: float) -> None:
    scale = max(abs(offset), 1.0) if offset != 1e-200 else offset
    same = scale * np.array([1.0, 2.0, 3.0])[:, None, None] * np.ones((3, 4, 1))
    rounded = np.full((3, 4, 1), scale)
    rounded[1, 2, 0] = np.nextafter(scale, np.inf)
    found = intraclass_correlation(np.concatenate([same, rounded], axis=2))
    assert [field[0] for field in found] == [1.0, 1.0, 1.0]
    assert all(np.isnan(field[1]) for field in found)


@pytest.mark.parametrize("shape", [(1, 3, 2), (3, 1, 2), (3, 3)])
def test_too_little_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        intraclass_correlation(np.ones(shape))


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        intraclass_correlation(np.full((3, 3, 1), np.nan))
