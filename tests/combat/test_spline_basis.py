"""The spline basis: statsmodels' columns and penalty, whatever the covariate's unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad_vec

from harmonize_kit.combat.spline_basis import SmoothTerm, learn_smooth_term
from harmonize_kit.errors import DesignError

FIGURES = Path(__file__).parent.parent / "oracle" / "combat"


@pytest.fixture(scope="module")
def age() -> np.ndarray:
    return pd.read_csv(FIGURES / "covars.csv")["age"].to_numpy()


def test_equals_the_basis_and_penalty_of_statsmodels(age: np.ndarray) -> None:
    design = np.loadtxt(FIGURES / "gam_design_D.csv", delimiter=",")[:, 6:]
    penalty = np.loadtxt(FIGURES / "gam_penalty_S.csv", delimiter=",")[6:, 6:]
    term = learn_smooth_term("age", age)
    np.testing.assert_allclose(term.columns(age) + term.centre, design, rtol=0, atol=1e-14)
    width = term.upper - term.lower
    np.testing.assert_allclose(term.penalty() / width**3, penalty, rtol=0, atol=1e-15)


def test_penalty_is_twice_the_integral_of_the_squared_curvature(age: np.ndarray) -> None:
    term = learn_smooth_term("age", age)
    weights = np.random.default_rng(0).normal(size=len(term.centre))

    def squared_curvature(share: float) -> float:
        step = 1e-3 * np.array([-1, 0, 1])
        near = np.clip(share, 1e-3, 1 - 1e-3) + step
        effect = term.columns(term.lower + near * (term.upper - term.lower)) @ weights
        return float((effect[0] - 2 * effect[1] + effect[2]) / 1e-6) ** 2

    integral, _ = quad_vec(squared_curvature, 0, 1, points=term.knots, epsrel=1e-4)
    assert weights @ term.penalty() @ weights == pytest.approx(2 * integral, rel=0.02)


def test_a_straight_line_is_in_the_basis_and_costs_nothing(age: np.ndarray) -> None:
    term = learn_smooth_term("age", age)
    weights, *_ = np.linalg.lstsq(term.columns(age), age - age.mean(), rcond=None)
    np.testing.assert_allclose(term.columns(age) @ weights, age - age.mean(), atol=1e-10)
    assert weights @ term.penalty() @ weights < 1e-9 * weights @ weights
    assert np.linalg.matrix_rank(term.penalty(), tol=1e-8) == len(weights) - 1


def test_goes_on_straight_outside_the_training_range(age: np.ndarray) -> None:
    term = learn_smooth_term("age", age)
    step = (term.upper - term.lower) / 1e6
    for border, outward in ((term.lower, -1), (term.upper, 1)):
        at, near, in_, far, farther = term.columns(
            border + outward * step * np.array([0, 1, -1, 1e5, 2e5])
        )
        np.testing.assert_allclose(near - at, at - in_, atol=1e-9)  # no jump, no kink
        np.testing.assert_allclose(farther - far, far - at, atol=1e-9)  # a straight line


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6), origin=st.floats(-100, 100),
)  # fmt: skip
def test_has_no_unit(seed: int, scale: float, origin: float) -> None:
    values = np.random.default_rng(seed).uniform(0, 1, 40)
    other = scale * (values + origin)
    term, same = learn_smooth_term("x", values), learn_smooth_term("x", other)
    np.testing.assert_allclose(same.columns(other), term.columns(values), atol=1e-8)
    np.testing.assert_allclose(same.penalty(), term.penalty(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_distinct", [4, 5, 9, 14])
def test_few_distinct_values_need_fewer_columns(n_distinct: int) -> None:
    values = np.concatenate([np.zeros(40), np.arange(float(n_distinct)).repeat(7)])
    term = learn_smooth_term("dose", values)
    assert len(term.centre) < n_distinct
    assert len(term.names) == len(term.centre) == term.columns(values).shape[1]
    assert np.all(np.diff(term.knots) > 0)
    assert np.isfinite(term.penalty()).all()


def test_two_levels_are_not_smooth() -> None:
    with pytest.raises(DesignError, match=r"'sex'.* takes 2 distinct values, expected at least 4"):
        learn_smooth_term("sex", np.array([0.0, 1.0, 1.0, 0.0]))


def test_state_is_enough_to_rebuild_it(age: np.ndarray) -> None:
    term = learn_smooth_term("age", age)
    again = SmoothTerm("age", term.lower, term.upper, term.knots, term.centre)
    assert np.array_equal(again.columns(age), term.columns(age))
    assert len(again.columns(age[:1])) == 1
