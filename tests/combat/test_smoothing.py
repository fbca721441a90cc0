"""The choice of smoothing: equal to mgcv on the same basis, and free of order, unit and chance.

``mgcv_parapen_REML.csv`` and ``mgcv_parapen_GCV.Cp.csv`` are mgcv 1.8-41 at its defaults, which
stop where the score is flat to 1e-6; ``*_converged.csv`` are the same calls with ``conv.tol =
1e-13`` and ``epsilon = 1e-14`` (one smooth in age; two, in age and f059, for 20 features).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smooth_figures import FIGURES, Sums, make_sums, reference_sums

from harmonize_kit.combat.additive_smoothing import choose_additive
from harmonize_kit.combat.penalised_system import to_unit_squares
from harmonize_kit.combat.smoothing import Criterion, choose_smoothing
from harmonize_kit.errors import DesignError


@pytest.fixture(scope="module")
def one() -> Sums:
    return reference_sums()


def _mgcv(name: str, sums: Sums, n_parameters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mgcv's smoothing parameters, on the scale of shares, and its fit within sites."""
    figures = pd.read_csv(FIGURES / f"{name}.csv").to_numpy()[:, 1:].astype(np.float64)
    width = np.array([[term.upper - term.lower] for term in sums.terms])
    effects = figures[:, n_parameters + 1 + 4 :].T  # after sp, edf and the four sites
    return figures[:, :n_parameters].T / width**3, sums.within(sums.columns @ effects)


def _largest_difference(sums: Sums, got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(got - expected).max(axis=0) / sums.features.std(axis=0)


def test_coefficients_equal_mgcv_at_its_own_smoothing(one: Sums) -> None:
    lambdas, fit = _mgcv("mgcv_parapen_REML", one, 1)
    assert _largest_difference(one, one.fitted(lambdas), fit).max() < 1e-9


def test_reml_equals_mgcv(one: Sums) -> None:
    _, fit = _mgcv("mgcv_parapen_REML_converged", one, 1)
    assert _largest_difference(one, one.fitted(one.lambdas()), fit).max() < 1e-7


def test_reml_is_never_above_that_of_mgcv_at_its_defaults(one: Sums) -> None:
    lambdas, _ = _mgcv("mgcv_parapen_REML", one, 1)
    ours, theirs = _reml(one, one.lambdas()), _reml(one, lambdas)
    assert np.all(ours <= theirs + 1e-9)
    assert np.any(ours < theirs - 1e-5)  # where mgcv stopped early


def test_gcv_is_never_above_that_of_mgcv(one: Sums) -> None:
    lambdas, fit = _mgcv("mgcv_parapen_GCV.Cp", one, 1)
    got = one.lambdas("gcv")
    assert np.all(_gcv(one, got) <= _gcv(one, lambdas) + 1e-9)
    assert np.median(_largest_difference(one, one.fitted(got), fit)) < 1e-6
    assert _largest_difference(one, one.fitted(got), one.fitted(one.lambdas())).max() > 1e-3


def test_two_smooths_equal_mgcv() -> None:
    two = reference_sums(("age", "f059"), 20)
    lambdas, fit = _mgcv("mgcv_parapen_REML_two_converged", two, 2)
    got = two.lambdas()
    assert _largest_difference(two, two.fitted(got), fit).max() < 1e-7
    assert np.all(_reml(two, got) <= _reml(two, lambdas) + 1e-7)
    swapped = reference_sums(("f059", "age"), 20)
    np.testing.assert_allclose(swapped.fitted(swapped.lambdas()), two.fitted(got), atol=1e-6)


def test_newton_for_several_agrees_with_the_closed_form_for_one(one: Sums) -> None:
    unit, degrees = to_unit_squares(one.cross, one.squares), len(one.sites) - 7
    got = choose_additive(one.gram, unit, degrees, one.penalties)
    difference = _largest_difference(one, one.fitted(got), one.fitted(one.lambdas()))
    assert difference.max() < 1e-7


def _graded(sums: Sums, lambdas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """G + sum lambda S and G in the eigenvectors of the penalty, whose null space is exact there.

    Scaled to a unit diagonal, since lambda runs over sixteen orders of magnitude; the third is what
    that takes off the logarithm of the determinant.
    """
    values, vectors = np.linalg.eigh(sums.penalties.sum(axis=0))
    rotated = np.einsum("ia,tij,ja->ta", vectors, sums.penalties, vectors)
    rotated[:, values < 1e-9 * values[-1]] = 0.0
    gram = vectors.T @ sums.gram @ vectors
    whole = gram + lambdas.T[:, :, None].swapaxes(1, 2) @ rotated * np.eye(len(gram))
    size = np.sqrt(np.diagonal(whole, axis1=1, axis2=2))
    outer = size[:, :, None] * size[:, None, :]
    return whole / outer, gram / outer, 2 * np.log(size).sum(axis=1)


def _reml(sums: Sums, lambdas: np.ndarray) -> np.ndarray:
    """The criterion as its definition has it."""
    ranks = np.array([np.linalg.matrix_rank(s, tol=1e-9) for s in sums.penalties])
    n_sites = len(np.unique(sums.sites))
    degrees = len(sums.sites) - n_sites - sums.columns.shape[1] + ranks.sum()
    penalised = sums.squares - (sums.cross * sums.effects(lambdas)).sum(axis=0)
    whole, _, logarithm = _graded(sums, lambdas)
    determinant = np.linalg.slogdet(whole)[1] + logarithm
    return degrees * np.log(penalised) + determinant - ranks @ np.log(lambdas)


def _gcv(sums: Sums, lambdas: np.ndarray) -> np.ndarray:
    residual = sums.within(sums.features) - sums.fitted(lambdas)
    whole, gram, _ = _graded(sums, lambdas)
    edf = 4 + np.trace(np.linalg.solve(whole, gram), axis1=1, axis2=2)
    return np.log((residual**2).sum(axis=0)) - 2 * np.log(len(sums.sites) - edf)


def _random_sums(seed: int, n: int = 80, p: int = 6, n_smooth: int = 1, unit: float = 1.0) -> Sums:
    rng = np.random.default_rng(seed)
    sites = np.arange(n) % 3
    smooth = {f"x{k}": rng.uniform(20, 80, n) for k in range(n_smooth)}
    linear = rng.normal(size=(n, 1))
    features = rng.normal(size=(n, p)) + rng.normal(size=(3, p))[sites]
    for values in smooth.values():
        features += np.sin(values[:, None] / 9) * rng.uniform(0, 2, p)
    return make_sums(sites, linear, {k: unit * v for k, v in smooth.items()}, features)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), n_smooth=st.sampled_from([1, 2]))
def test_reml_is_at_its_least(seed: int, n_smooth: int) -> None:
    sums = _random_sums(seed, p=3, n_smooth=n_smooth)
    best = sums.lambdas()
    least = _reml(sums, best)
    for shift in np.random.default_rng(seed).uniform(-6, 6, (25, n_smooth, 1)):
        assert np.all(_reml(sums, best * np.exp(shift)) >= least - 1e-6)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000), unit=st.sampled_from([365.25, 0.1, 1e-6]),
    scale=st.sampled_from([1e-8, 3.0, 1e8]), n_smooth=st.sampled_from([1, 2]),
)  # fmt: skip
def test_is_free_of_order_and_units(seed: int, unit: float, scale: float, n_smooth: int) -> None:
    sums = _random_sums(seed, n_smooth=n_smooth)
    expected = sums.fitted(sums.lambdas())
    order = np.random.default_rng(seed).permutation(sums.features.shape[1])
    permuted = Sums(sums.sites, sums.columns, sums.features[:, order], sums.terms)
    np.testing.assert_allclose(permuted.fitted(permuted.lambdas()), expected[:, order], atol=1e-6)
    rescaled = Sums(sums.sites, sums.columns, scale * sums.features + 5, sums.terms)
    np.testing.assert_allclose(
        rescaled.fitted(rescaled.lambdas()) / scale, expected, rtol=0, atol=1e-6
    )
    other = _random_sums(seed, n_smooth=n_smooth, unit=unit)
    np.testing.assert_allclose(other.fitted(other.lambdas()), expected, atol=1e-6)


def test_every_feature_alone_gives_what_all_give_together(one: Sums) -> None:
    together = one.lambdas()
    for feature in (0, 12, 59):
        alone = Sums(one.sites, one.columns, one.features[:, [feature]], one.terms)
        np.testing.assert_allclose(alone.lambdas()[:, 0], together[:, feature], rtol=1e-7)


@pytest.mark.parametrize("n_smooth", [1, 2])
def test_comes_closer_to_the_truth_than_a_line_or_a_free_spline(n_smooth: int) -> None:
    sums = _random_sums(1, n=600, p=4, n_smooth=n_smooth)
    slow = sums.columns[:, 1:10] @ np.array([-1, 0, 1, 2, 2, 1, 0, -1, -1.0])[:, None]
    curve = sums.within(slow)
    noise = np.random.default_rng(0).normal(size=(600, 40))
    for truth, share in ((curve, 1.0), (0 * curve, 0.5)):
        noisy = Sums(sums.sites, sums.columns, truth + noise, sums.terms)
        unpenalised = noisy.fitted(np.full((n_smooth, 40), 1e-9))
        straight = noisy.fitted(np.full((n_smooth, 40), 1e9))
        error = np.mean((noisy.fitted(noisy.lambdas()) - truth) ** 2)
        assert error < share * np.mean((unpenalised - truth) ** 2)
        if truth.any():
            assert error < 0.2 * np.mean((straight - truth) ** 2)


@pytest.mark.parametrize(("n_smooth", "criterion"), [(1, "reml"), (1, "gcv"), (2, "reml")])
def test_awkward_features_stay_finite(n_smooth: int, criterion: Criterion) -> None:
    sums = _random_sums(3, p=5, n_smooth=n_smooth)
    features = sums.features.copy()
    features[:, 0] = 7.0
    features[:, 1] = sums.columns[:, 4] * 3 + sums.sites
    features[:, 2] = sums.columns[:, 0] - sums.sites
    features[:, 3] *= 1e-150
    awkward = Sums(sums.sites, sums.columns, features, sums.terms)
    lambdas = awkward.lambdas(criterion)
    assert np.isfinite(lambdas).all()
    assert (lambdas > 0).all()
    fitted = awkward.fitted(lambdas)
    np.testing.assert_allclose(fitted[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(fitted[:, 1:3], awkward.within(features[:, 1:3]), atol=1e-4)
    ordinary = sums.lambdas(criterion)
    np.testing.assert_allclose(lambdas[:, 3:], ordinary[:, 3:], rtol=1e-6)


def test_more_columns_than_cases_are_carried_by_the_penalty() -> None:
    sums = _random_sums(0, n=11, p=3)
    fitted = sums.fitted(sums.lambdas())
    assert np.isfinite(fitted).all()


def test_three_smooths_find_the_least_too() -> None:
    sums = _random_sums(4, n=150, p=4, n_smooth=3)
    best = sums.lambdas()
    for shift in np.random.default_rng(0).uniform(-4, 4, (40, 3, 1)):
        assert np.all(_reml(sums, best * np.exp(shift)) >= _reml(sums, best) - 1e-6)


def test_the_same_covariate_twice_shares_its_effect() -> None:
    sums = _random_sums(2)
    columns = np.concatenate([sums.columns, sums.columns[:, 1:]], axis=1)
    twice = Sums(sums.sites, columns, sums.features, sums.terms * 2)
    difference = twice.fitted(twice.lambdas()) - sums.fitted(sums.lambdas())
    assert np.abs(difference).max() < 0.1


def test_no_features_give_no_parameters(one: Sums) -> None:
    none = Sums(one.sites, one.columns, one.features[:, :0], one.terms)
    assert none.lambdas().shape == (1, 0)
    assert none.effects(none.lambdas()).shape == (11, 0)


def test_too_few_cases_are_refused(one: Sums) -> None:
    with pytest.raises(DesignError, match="got 7 cases for 4 sites and 3 covariate columns"):
        choose_smoothing(one.gram, one.cross, one.squares, 7, 4, one.penalties)


def test_several_smooths_by_gcv_are_refused() -> None:
    two = reference_sums(("age", "f059"), 2)
    with pytest.raises(DesignError, match="by criterion 'reml', got 'gcv'"):
        two.lambdas("gcv")
