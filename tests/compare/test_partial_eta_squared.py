"""Partial eta squared: against statsmodels' figures, SciPy, literal resampling and its own laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harmonize_kit.compare.arrays import Floats, indicators
from harmonize_kit.compare.linear_model import partial_effect, permuted_shares
from harmonize_kit.compare.moments import resampled_moments
from harmonize_kit.compare.partial_eta_squared import (
    median_share,
    partial_eta_squared,
    shares,
    site_effect,
)
from harmonize_kit.compare.resampling import bootstrap_weights, site_permutations

ROWS = np.arange(24)
SITE = np.array([0] * 7 + [1] * 9 + [2] * 8)
AGE: Floats = np.asarray(20 + 3 * ROWS % 17 + 2 * SITE, dtype=np.float64)
GROUP = indicators((ROWS * 5) % 3, 3)[:, [1, 2]]
VALUES = np.column_stack(
    [np.sin(1.7 * ROWS + j) + 0.3 * j * SITE + 0.02 * (j + 1) * AGE for j in range(3)]
)
# statsmodels 0.15.0, anova_lm(ols("y ~ C(site) + age + C(group)"), typ=2): eta squared, F, p.
STATSMODELS = {
    "site": [
        (0.0033273501930300223, 0.03004612571948273, 0.9704493346023095),
        (0.08637183663395553, 0.8508346840378174, 0.4435323560344905),
        (0.2931588796368395, 3.732705753417379, 0.044044963984665036),
    ],
    "age": [
        (0.007815096967456504, 0.1417797680495478, 0.7109198535629712),
        (0.09406789082813098, 1.8690385490963188, 0.18841712928218482),
        (0.22001624750320484, 5.077403782297323, 0.03694868328839075),
    ],
    "group": [
        (0.05353548371959793, 0.5090728127557572, 0.6094513297829535),
        (0.026306820132045293, 0.2431580975236116, 0.7866818898490467),
        (0.06470834657241734, 0.6226668622750069, 0.5476757710494164),
    ],
}


@pytest.mark.parametrize("term", STATSMODELS)
def test_equals_statsmodels(term: str):
    columns = {"site": indicators(SITE, 3)[:, 1:], "age": AGE[:, None], "group": GROUP}
    others = [columns[name] for name in columns if name != term]
    found = partial_effect(VALUES, columns[term], np.hstack([np.ones((24, 1)), *others]))
    expected = np.array(STATSMODELS[term])
    np.testing.assert_allclose(found.share, expected[:, 0], rtol=1e-10)
    np.testing.assert_allclose(found.f, expected[:, 1], rtol=1e-10)
    np.testing.assert_allclose(found.p, expected[:, 2], rtol=1e-10)


def test_is_one_way_anova_without_covariates():
    found = partial_eta_squared(VALUES, SITE, np.empty((24, 0)))
    expected = stats.f_oneway(*(VALUES[code == SITE] for code in range(3)))
    np.testing.assert_allclose(found.f, expected.statistic, rtol=1e-12)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-12)
    np.testing.assert_allclose(found.q, stats.false_discovery_control(expected.pvalue))


def test_constant_feature_is_nan_and_outside_the_false_discovery_count():
    widened = np.column_stack([VALUES, np.full(24, 0.1)])
    found = partial_eta_squared(widened, SITE, AGE[:, None])
    alone = partial_eta_squared(VALUES, SITE, AGE[:, None])
    assert np.isnan([found.share[3], found.f[3], found.p[3], found.q[3]]).all()
    np.testing.assert_allclose(found.q[:3], alone.q, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(1e-6, 1e6),
    offset=st.floats(-1e6, 1e6),
    flip=st.sampled_from([-1.0, 1.0]),
    seed=st.integers(0, 99),
)
def test_knows_no_units_and_no_site_names(scale: float, offset: float, flip: float, seed: int):
    size = scale * (1 + abs(offset))  # offsets up to a million spreads
    other = VALUES * size * flip + offset * size
    renamed = np.random.default_rng(seed).permutation(3)[SITE]
    found = partial_eta_squared(other, renamed, AGE[:, None] * scale + offset * scale)
    expected = partial_eta_squared(VALUES, SITE, AGE[:, None])
    np.testing.assert_allclose(found.share, expected.share, rtol=1e-6, atol=1e-9)


def test_permuted_shares_are_freedman_and_lane_written_out():
    covariates = np.column_stack([np.ones(24), AGE])
    target = indicators(SITE, 3)[:, 1:]
    permutations = np.array([np.random.default_rng(seed).permutation(24) for seed in range(4)])
    shares, df_site, df_error = permuted_shares(VALUES, target, covariates, permutations)
    fitted = covariates @ np.linalg.lstsq(covariates, VALUES, rcond=None)[0]
    for permutation, row in zip(permutations, shares, strict=True):
        shuffled = fitted + (VALUES - fitted)[permutation]
        expected = partial_eta_squared(shuffled, SITE, AGE[:, None]).share
        np.testing.assert_allclose(row, expected, rtol=1e-9)
    assert (df_site, df_error) == (2, 20)


def test_resampled_shares_are_refits_to_repeated_rows():
    weights = bootstrap_weights(SITE, ROWS, 5, seed=3)
    standard, age = (VALUES - VALUES.mean(0)) / VALUES.std(0), (AGE - AGE.mean()) / AGE.std()
    moments = next(resampled_moments(standard, SITE, age[:, None], weights))
    for weight, row in zip(weights, shares(moments), strict=True):
        drawn = np.repeat(ROWS, weight.astype(int))
        by_site = partial_eta_squared(VALUES[drawn], SITE[drawn], AGE[drawn, None])
        np.testing.assert_allclose(row, by_site.share, rtol=1e-7, atol=1e-10)


def test_null_is_centred_on_what_chance_explains():
    rng = np.random.default_rng(0)
    n, k = 60, 5
    values, site = rng.normal(size=(n, 200)), np.arange(n) % k
    draws = site_permutations(site, np.arange(n), 60, seed=0)
    found = site_effect(values, site, np.empty((n, 0)), draws, np.empty((0, n)))
    assert found.median is not None
    assert found.median.null is not None
    assert found.median.interval is None
    # The median of Beta((k - 1) / 2, (n - k) / 2), the law of eta squared without an effect.
    expected = stats.beta.median((k - 1) / 2, (n - k) / 2)
    assert found.median.null.mean == pytest.approx(expected, rel=0.05)


def test_interval_holds_the_estimate_although_percentiles_would_not():
    rng = np.random.default_rng(1)
    n = 60
    values, site = rng.normal(size=(n, 100)), np.arange(n) % 6
    weights = bootstrap_weights(site, np.arange(n), 200, seed=0)
    draws = site_permutations(site, np.arange(n), 19, seed=0)
    median = site_effect(values, site, np.empty((n, 0)), draws, weights).median
    assert median is not None
    assert median.interval is not None
    standard = (values - values.mean(0)) / values.std(0)
    draws = resampled_moments(standard, site, np.empty((n, 0)), weights)
    plain = np.concatenate([median_share(moments) for moments in draws])
    assert np.quantile(plain, 0.025) > median.value
    assert 0 <= median.interval[0] < median.value < median.interval[1] <= 1
