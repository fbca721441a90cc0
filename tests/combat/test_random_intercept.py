"""A random intercept per subject: the closed form against dense matrices, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harmonize_kit.combat.random_intercept import (
    RandomIntercept,
    fit_random_intercept,
    predict_intercepts,
)
from harmonize_kit.combat.subject_sums import SubjectSums, sum_by_subject
from harmonize_kit.errors import DesignError

Array = NDArray[np.float64]


def _visits(seed: int = 0, n: int = 120, p: int = 12) -> tuple[Array, NDArray[np.int_], Array]:
    """Subjects of one to six visits, in mixed order, who differ up to ten times the noise."""
    rng = np.random.default_rng(seed)
    subjects = np.unique(rng.integers(0, 45, n), return_inverse=True)[1]
    count = subjects.max() + 1
    visit, fixed = rng.normal(50, 10, n), rng.normal(size=count)[subjects]
    design = np.column_stack([np.ones(n), rng.integers(0, 2, n), visit, fixed]).astype(np.float64)
    own = rng.normal(size=(count, p)) * np.concatenate([[0.0, 0.0], np.geomspace(0.05, 10, p - 2)])
    noise = rng.normal(size=(n, p))
    return design, subjects, 100 + design @ rng.normal(size=(4, p)) + own[subjects] + noise


def _dense(
    design: Array, subjects: NDArray[np.int_], feature: Array, ratio: float
) -> tuple[float, Array, float, Array]:
    """Criterion, coefficients, residual variance and intercepts of one feature, by definition."""
    n, q = design.shape
    members = (subjects[:, None] == np.unique(subjects)).astype(np.float64)
    covariance = np.eye(n) + ratio * members @ members.T
    inverse = np.linalg.inv(covariance)
    gram = design.T @ inverse @ design
    coefficients = np.linalg.solve(gram, design.T @ inverse @ feature)
    left = feature - design @ coefficients
    rest = float(left @ inverse @ left)
    logarithms = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(gram)[1]
    intercepts = ratio * members @ members.T @ inverse @ left
    return logarithms + (n - q) * np.log(rest), coefficients, rest / (n - q), intercepts


def test_equals_the_definition_and_is_its_maximum() -> None:
    design, subjects, features = _visits()
    fitted = fit_random_intercept(design, subjects, features)
    own = predict_intercepts(features - design @ fitted.coefficients, subjects, fitted.ratio)
    assert (fitted.ratio == 0).any()
    assert fitted.ratio.max() > 50
    for column, ratio in enumerate(fitted.ratio):
        best, coefficients, variance, intercepts = _dense(
            design, subjects, features[:, column], ratio
        )
        np.testing.assert_allclose(fitted.coefficients[:, column], coefficients, atol=1e-9)
        np.testing.assert_allclose(fitted.residual_variance[column], variance, rtol=1e-11)
        np.testing.assert_allclose(own[:, column], intercepts, atol=1e-9)
        around = [0.0, *np.geomspace(1e-4, 1e4, 30), ratio * 0.999, ratio * 1.001]
        assert all(
            _dense(design, subjects, features[:, column], other)[0] >= best - 1e-8
            for other in around
        )


def test_intercept_variance_is_recovered() -> None:
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.arange(400), 3)
    truth = np.array([0.25, 1.0, 4.0])
    own = rng.normal(size=(400, 3)) * np.sqrt(truth)
    features = own[subjects] + rng.normal(size=(1200, 3))
    fitted = fit_random_intercept(np.ones((1200, 1)), subjects, features)
    np.testing.assert_allclose(fitted.intercept_variance, truth, rtol=0.2)
    np.testing.assert_allclose(fitted.residual_variance, 1, rtol=0.2)


def test_balanced_data_give_the_analysis_of_variance() -> None:
    """Where every subject has m visits, s2 is the mean square within, and so on."""
    rng = np.random.default_rng(2)
    subjects = np.tile(np.arange(30), 4)
    features = rng.normal(size=(30, 5))[subjects] + rng.normal(size=(120, 5))
    fitted = fit_random_intercept(np.ones((120, 1)), subjects, features)
    means = np.stack([features[subjects == one].mean(axis=0) for one in range(30)])
    within = ((features - means[subjects]) ** 2).sum(axis=0) / 90
    between = 4 * means.var(axis=0, ddof=1)
    np.testing.assert_allclose(fitted.residual_variance, within, rtol=1e-10)
    np.testing.assert_allclose(fitted.intercept_variance, (between - within) / 4, rtol=1e-9)


def test_one_feature_is_fitted_as_among_many_and_in_any_units() -> None:
    design, subjects, features = _visits(3)
    whole = fit_random_intercept(design, subjects, features)
    for column in (0, 5, 11):
        alone = fit_random_intercept(design, subjects, features[:, [column]] * 1e-6 + 3)
        np.testing.assert_allclose(alone.ratio[0], whole.ratio[column], rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(
            alone.residual_variance[0], whole.residual_variance[column] * 1e-12, rtol=1e-7
        )


def test_row_order_does_not_matter() -> None:
    design, subjects, features = _visits(4)
    order = np.random.default_rng(0).permutation(len(subjects))
    first = fit_random_intercept(design, subjects, features)
    second = fit_random_intercept(design[order], subjects[order], features[order])
    np.testing.assert_allclose(second.ratio, first.ratio, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(second.coefficients, first.coefficients, atol=1e-9)


def test_sums_of_two_sets_of_subjects_are_the_sums_of_all() -> None:
    design, subjects, features = _visits(5)
    half = subjects < 20
    first = sum_by_subject(subjects[half], design[half], features[half])
    second = sum_by_subject(subjects[~half] - 20, design[~half], features[~half])
    merged, whole = first + second, sum_by_subject(subjects, design, features)
    for name in SubjectSums.__dataclass_fields__:
        np.testing.assert_allclose(
            getattr(merged, name), getattr(whole, name), rtol=1e-11, atol=1e-9
        )


def test_a_feature_that_does_not_vary_within_subjects_has_no_residual_variance() -> None:
    design, subjects, features = _visits(6)
    features[:, 0] = np.random.default_rng(0).normal(size=subjects.max() + 1)[subjects]
    features[:, 1] = 7.0
    fitted = fit_random_intercept(design[:, :1], subjects, features)
    np.testing.assert_array_equal(fitted.residual_variance[:2], 0)
    np.testing.assert_array_equal(fitted.ratio[:2], 0)
    assert np.isfinite(fitted.coefficients).all()
    assert (fitted.residual_variance[2:] > 0).all()


def test_a_new_subject_is_predicted_from_its_rows_alone() -> None:
    """Robinson's formula: the mean of m rows times rho m / (1 + rho m); missing cells are left."""
    residuals = np.array([[2.0, 1.0], [4.0, np.nan], [10.0, -1.0]])
    got = predict_intercepts(residuals, np.array([0, 0, 1]), np.array([0.5, 2.0]))
    expected = np.array([[1.5, 2 / 3], [1.5, 2 / 3], [10 / 3, -2 / 3]])
    np.testing.assert_allclose(got, expected)
    alone = predict_intercepts(residuals[:2], np.array([0, 0]), np.array([0.5, 2.0]))
    np.testing.assert_array_equal(alone, got[:2])


def _refused(design: Array, subjects: NDArray[np.int_]) -> RandomIntercept:
    features = np.random.default_rng(0).normal(size=(len(subjects), 2))
    return fit_random_intercept(design, subjects, features)


def test_refuses_what_cannot_be_estimated() -> None:
    with pytest.raises(DesignError, match="two or more rows"):
        _refused(np.ones((9, 1)), np.arange(9))
    subjects = np.repeat(np.arange(4), 2)
    with pytest.raises(DesignError, match="between subjects"):
        _refused((subjects[:, None] == np.arange(4)).astype(np.float64), subjects)
    first = (subjects[:, None] == np.arange(4)) * np.tile([0.0, 1.0], 4)[:, None]
    with pytest.raises(DesignError, match="within subjects"):
        _refused(np.hstack([np.ones((8, 1)), first]), subjects)
