"""The stored truth of a simulated table is the truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harmonize_kit.config.load import validate_config
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom import TablePhantom, simulate_table


def deviation(phantom: TablePhantom, values: np.ndarray, site: str) -> np.ndarray:
    """Return what is left of values at a site after biology, in SDs."""
    rest = (values - phantom.expected.to_numpy()) / phantom.feature_sd.to_numpy()
    return rest[(phantom.raw.text("site") == site).to_numpy()]


@pytest.mark.parametrize("acts_on", ["residual", "signal"])
def test_undoing_the_site_gives_the_truth(acts_on):
    config = TablePhantomConfig(scale_acts_on=acts_on, travelling=3, confounding=0.5)
    phantom = simulate_table(config, 4)
    undone = phantom.undo_site(phantom.raw)
    np.testing.assert_allclose(undone.values, phantom.truth.values, rtol=1e-12)
    assert np.abs(phantom.raw.values / phantom.truth.values - 1).max() > 0.05


def test_undoing_works_for_any_selection_of_cases():
    phantom = simulate_table(seed=5)
    few = phantom.raw.ids[7:2:-1]
    np.testing.assert_allclose(
        phantom.undo_site(phantom.raw.select(few)).values, phantom.truth.select(few).values
    )


def test_a_gain_on_the_signal_stretches_biology_and_one_on_the_residual_does_not():
    quiet = TablePhantomConfig(shift=0, scale=0.8, age_effect=3, subjects=3000, features=4)
    for acts_on, stretched in (("residual", False), ("signal", True)):
        phantom = simulate_table(quiet.model_copy(update={"scale_acts_on": acts_on}), 1)
        biology = (phantom.expected - phantom.feature_mean).to_numpy()
        raw = phantom.raw.values - phantom.feature_mean.to_numpy()
        at = (phantom.raw.text("site") == "site-1").to_numpy()
        slope = [np.polyfit(biology[at, j], raw[at, j], 1)[0] for j in range(4)]
        planted = phantom.site_scale.loc["site-1"].to_numpy() if stretched else np.ones(4)
        np.testing.assert_allclose(slope, planted, atol=0.06)
        assert not stretched or np.abs(planted - 1).max() > 0.2


def test_without_site_effects_raw_is_the_truth():
    phantom = simulate_table(TablePhantomConfig(shift=0, scale=0), 2)
    np.testing.assert_array_equal(phantom.site_shift, 0)
    np.testing.assert_array_equal(phantom.site_scale, 1)
    np.testing.assert_allclose(phantom.raw.values, phantom.truth.values, rtol=1e-14)


def test_a_seed_is_a_table_and_site_settings_leave_the_truth_alone():
    one = simulate_table(TablePhantomConfig(), 7)
    pd.testing.assert_frame_equal(one.raw.features, simulate_table(seed=7).raw.features)
    generator = np.random.default_rng(7)
    pd.testing.assert_frame_equal(one.raw.features, simulate_table(seed=generator).raw.features)
    assert not np.allclose(one.truth.values, simulate_table(seed=8).truth.values)

    other = simulate_table(TablePhantomConfig(shift=3, scale=0, covariance=1), 7)
    pd.testing.assert_frame_equal(one.truth.features, other.truth.features)
    assert not np.allclose(one.raw.values, other.raw.values)


def test_the_reference_is_the_average_site():
    config = TablePhantomConfig(site_weights=(5, 2, 2, 1), travelling=4)
    phantom = simulate_table(config, 3)
    cases = phantom.raw.text("site").value_counts()[phantom.sites].to_numpy()
    np.testing.assert_array_equal(cases, [104, 44, 44, 24])
    np.testing.assert_allclose(cases @ phantom.site_shift.to_numpy(), 0, atol=1e-10)
    np.testing.assert_allclose(cases @ phantom.site_scale.to_numpy() ** 2 / cases.sum(), 1)


def test_planted_shift_and_scale_are_seen_in_the_data():
    phantom = simulate_table(TablePhantomConfig(subjects=8000, features=12, sites=3), 1)
    assert phantom.site_shift.to_numpy().std() > 0.4
    assert np.ptp(phantom.site_scale.to_numpy()) > 0.4
    for site in phantom.sites:
        rest = deviation(phantom, phantom.raw.values, site)
        scale = phantom.site_scale.loc[site].to_numpy()
        np.testing.assert_allclose(rest.mean(0), phantom.site_shift.loc[site], atol=0.1)
        np.testing.assert_allclose(rest.std(0), scale, rtol=0.06)


def test_a_covariance_effect_changes_correlations_only():
    config = TablePhantomConfig(
        subjects=20000, features=6, sites=2, shift=0, scale=0, covariance=1, communality=0.8
    )
    phantom = simulate_table(config, 6)
    found = []
    for site in phantom.sites:
        rest = deviation(phantom, phantom.raw.values, site)  # (10000, 6)
        np.testing.assert_allclose(rest.mean(0), 0, atol=0.05)
        np.testing.assert_allclose(rest.var(0), 1, atol=0.06)
        found.append(np.corrcoef(rest.T))
        np.testing.assert_allclose(found[-1], phantom.correlation(site), atol=0.05)
    assert np.abs(found[0] - found[1]).max() > 0.4


def test_equal_variance_across_sites_is_exact_and_not_only_sampled():
    phantom = simulate_table(TablePhantomConfig(covariance=0.6), 9)
    for site in phantom.sites:
        common = np.sum(phantom.loadings[site] ** 2, axis=1)
        np.testing.assert_allclose(common, phantom.config.communality, rtol=1e-14)
        np.testing.assert_array_equal(np.diag(phantom.correlation(site)), 1)
    with pytest.raises(ConfigError, match=r"covariance = 0\.6"):
        phantom.undo_site(phantom.raw)


def test_travelling_subjects_keep_their_biology_and_get_new_noise():
    config = TablePhantomConfig(subjects=10, sites=2, travelling=400, reliability=0.8, features=30)
    phantom = simulate_table(config, 2)
    subjects = phantom.raw.covariates["subject"]
    travellers = [f"trav-{i:03d}" for i in range(1, 401)]
    assert len(phantom.raw.ids) == 10 + 2 * 400
    here = [f"{name}_site-1" for name in travellers]
    there = [f"{name}_site-2" for name in travellers]
    assert list(subjects[here]) == list(subjects[there]) == travellers
    np.testing.assert_array_equal(phantom.expected.loc[here], phantom.expected.loc[there])

    sd = phantom.feature_sd.to_numpy()
    apart = (phantom.truth.select(here).values - phantom.truth.select(there).values) / sd
    assert apart.var() == pytest.approx(2 * (1 - 0.8), rel=0.05)


def test_expected_is_the_age_curve_plus_sex_plus_group():
    phantom = simulate_table(seed=1)
    columns = phantom.raw.covariates
    assert all(isinstance(cell, str) for cell in columns.to_numpy().ravel())
    effect = phantom.age_curves.at(phantom.raw.number("age").to_numpy()).to_numpy()
    effect = effect + np.outer(columns["sex"] == "M", phantom.sex_effect)
    effect = effect + np.outer(columns["group"] == "patient", phantom.group_effect)
    expected = phantom.feature_mean.to_numpy() + phantom.feature_sd.to_numpy() * effect
    np.testing.assert_allclose(phantom.expected, expected, rtol=1e-12)


def test_age_curves_are_centred_sized_and_not_straight():
    phantom = simulate_table(TablePhantomConfig(age_effect=1, features=60), 3)
    ages = np.linspace(20, 80, 4001)
    curves = phantom.age_curves.at(ages).to_numpy()
    np.testing.assert_allclose(curves.mean(0), 0, atol=2e-3)
    assert 0.49 < curves.std(0).min() < 0.7 < 1.3 < curves.std(0).max() < 1.51
    straight = np.array([stats.pearsonr(ages, curve).statistic ** 2 for curve in curves.T])
    assert np.median(straight) < 0.9


def test_group_acts_on_the_share_of_features_it_was_given():
    phantom = simulate_table(TablePhantomConfig(features=50, group_share=0.3), 1)
    size = phantom.group_effect.abs()
    assert (size > 0).sum() == 15
    assert size[size > 0].between(0.6, 1.0).all()


@pytest.mark.parametrize(("confounding", "low", "high"), [(0, -0.1, 0.1), (0.5, 0.4, 0.85)])
def test_confounding_orders_ages_by_site(confounding, low, high):
    phantom = simulate_table(TablePhantomConfig(subjects=2000, confounding=confounding), 1)
    rank = phantom.raw.text("site").str.removeprefix("site-").astype(float)
    assert low < np.corrcoef(rank, phantom.raw.number("age"))[0, 1] < high


def test_full_confounding_leaves_no_overlap_of_ages():
    phantom = simulate_table(TablePhantomConfig(confounding=1), 1)
    ages = phantom.raw.number("age").groupby(phantom.raw.text("site")).agg(["min", "max"])
    assert (ages["min"].to_numpy()[1:] >= ages["max"].to_numpy()[:-1]).all()


def test_features_come_in_units_of_their_own():
    phantom = simulate_table(seed=1)
    mean = phantom.truth.features.mean()
    assert mean.filter(like="volume").min() > 1000 * mean.filter(like="texture").max()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"subject": 10}, "unknown key 'subject'"),
        ({"confounding": 1.5}, "confounding"),
        ({"sites": 3, "site_weights": [1, 2]}, "one weight a site"),
        ({"age_range": [80, 20]}, "low below high"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        validate_config(settings, "table.yaml", TablePhantomConfig)
