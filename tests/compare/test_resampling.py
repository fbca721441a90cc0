"""Draws over subjects keep subjects whole, and p values keep their promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.compare.resampling import (
    bootstrap_weights,
    centred_interval,
    null_of,
    permutations_within_site,
    site_permutations,
)

# Subjects 0-3 seen once or twice at one site each, 4 and 5 travelling between the sites.
SUBJECT = np.array([0, 0, 1, 1, 2, 3, 4, 4, 5, 5])
SITE = np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 1])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_site_permutations_move_subjects_whole(seed: int):
    for order in site_permutations(SITE, SUBJECT, 5, seed):
        assert sorted(order) == list(range(10))
        came = SUBJECT[order]
        assert came[0] == came[1]
        assert came[2] == came[3]
        assert set(came[:4]) == {0, 1}
        assert set(came[4:6]) == {2, 3}
        assert came[6:].tolist() == [4, 4, 5, 5]  # travellers shuffle their own scans


def test_permutations_within_site_keep_every_site_and_pattern():
    orders = permutations_within_site(SITE, SUBJECT, 30, seed=0)
    assert (SITE[orders] == SITE).all()
    travellers = {tuple(SUBJECT[order][6:]) for order in orders}
    assert travellers == {(4, 4, 5, 5), (5, 5, 4, 4)}
    assert (orders[:, :6] == np.arange(6)).all()  # each alone in its site and number of scans


def test_bootstrap_counts_are_of_subjects_within_strata():
    weights = bootstrap_weights(SITE, SUBJECT, 50, seed=0)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 6] == weights[:, 7]).all()
    for stratum in ([0, 4], [2, 5], [6, 8]):  # one row of each subject
        assert (weights[:, stratum].sum(axis=1) == 2).all()
    assert weights.std() > 0


def test_single_cases_are_drawn_as_often_as_they_are_there():
    site = np.array([0] * 5 + [1] * 7)
    weights = bootstrap_weights(site, np.arange(12), 400, seed=0)
    assert (weights @ (site == 0) == 5).all()
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.2


def test_p_is_exact_whatever_the_shape_of_the_null():
    rng = np.random.default_rng(0)
    n_drawn, repeats = 19, 2000
    found = [null_of(draws[0], draws[1:]) for draws in rng.exponential(size=(repeats, n_drawn + 1))]
    p = np.array([null.p for null in found if null is not None])
    for level in (0.05, 0.1, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * np.sqrt(level / repeats))


def test_null_tells_both_sides_and_nothing_drawn():
    draws = np.linspace(-1, 1, 99)
    above, below, inside = (null_of(value, draws) for value in (2.0, -2.0, 0.0))
    assert above is not None
    assert below is not None
    assert inside is not None
    assert (above.p, below.p, inside.p) == (0.01, 0.01, 1.0)
    assert null_of(0.0, np.empty(0)) is None
    assert centred_interval(0.5, np.empty(0)) is None


def test_centred_interval_keeps_the_spread_and_the_bounds():
    draws = np.linspace(0.4, 0.6, 401)
    low, high = centred_interval(0.2, draws) or (np.nan, np.nan)
    assert (low, high) == pytest.approx((0.105, 0.295))
    assert centred_interval(0.01, draws) == pytest.approx((0.0, 0.105))
