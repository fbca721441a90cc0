"""Metrics of the site where the truth is known: what they find and miss, and what p means."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harmonize_kit.compare import compare
from harmonize_kit.compare.between_sites import between_sites
from harmonize_kit.compare.brown_forsythe import brown_forsythe, significant_scale
from harmonize_kit.compare.kruskal_wallis import kruskal_wallis, significant_ranks
from harmonize_kit.compare.mixing import mixing
from harmonize_kit.compare.partial_eta_squared import partial_eta_squared, site_effect
from harmonize_kit.compare.permanova import permanova
from harmonize_kit.compare.resampling import Estimate, null_of, site_permutations
from harmonize_kit.compare.residuals import residuals
from harmonize_kit.compare.wasserstein import median_wasserstein
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.phantom import simulate_table

DRAWS = 19
N = 42
SITE = np.repeat([0, 1, 2], [12, 14, 16])


def null_p(estimate: Estimate) -> float:
    assert estimate.null is not None
    return estimate.null.p


@cache
def p_values() -> dict[str, np.ndarray]:
    """P of every metric in 200 data sets without a site effect, with biology that differs."""
    found: dict[str, list[float]] = {}
    for seed in range(200):
        rng = np.random.default_rng([seed, 1])
        age = rng.normal(size=(N, 1)) + 0.7 * SITE[:, None]
        values = rng.standard_t(6, size=(N, 5)) @ rng.normal(size=(5, 5)) + age
        orders = site_permutations(SITE, np.arange(N), DRAWS, seed)
        none = np.empty((0, N))
        residual = residuals(values, SITE, age)
        drawn = permanova(values, SITE, age, orders)
        permanova_null = null_of(drawn.r2, drawn.drawn)
        assert permanova_null is not None
        between = between_sites(residual, SITE, orders, none, 4)
        effect = site_effect(values, SITE, age, orders, none)
        assert effect.median is not None
        p = {
            "eta": null_p(effect.median),
            "permanova": permanova_null.p,
            "mahalanobis": null_p(between.mahalanobis),
            "covariance": null_p(between.covariance),
            "wasserstein": null_p(median_wasserstein(residual, SITE, orders, none)),
            **{name: null_p(found) for name, found in mixing(residual, SITE, orders, none).items()},
        }
        for name, value in p.items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}


CONTINUOUS = (
    "eta", "permanova", "mahalanobis", "covariance", "wasserstein", "site_energy_share",
    "site_silhouette", "site_ilisi",
)  # fmt: skip


@pytest.mark.parametrize("metric", CONTINUOUS)
def test_p_is_uniform_without_a_site_effect(metric: str):
    # p is a multiple of 1 / 20: spread evenly below its value, it is uniform where p is exact.
    p = p_values()[metric]
    spread = p - np.random.default_rng(0).random(len(p)) / (DRAWS + 1)
    assert stats.kstest(spread, "uniform").pvalue > 0.001
    assert np.mean(p <= 0.1) < 0.18


def test_p_of_the_kbet_rejection_rate_holds_its_level():
    p = p_values()["site_kbet_rejection"]  # a count with many ties, so that p is conservative
    assert np.mean(p <= 0.1) < 0.18


def test_false_discovery_rate_is_nominal():
    """In half of the features a site effect; of those found, 5 % at most may be others."""
    rng = np.random.default_rng(0)
    wrong: dict[str, list[float]] = {"f": [], "rank": [], "scale": []}
    planted = np.arange(40) < 20
    for _ in range(60):
        values = rng.normal(size=(N, 40))
        values[:, planted] += (0.9 * rng.normal(size=(3, 20)))[SITE]
        none = np.empty((N, 0))
        spread = rng.normal(size=(N, 40))
        spread[:, planted] *= np.array([0.4, 1, 2.5])[SITE][:, None]
        for name, q in (
            ("f", partial_eta_squared(values, SITE, none).q),
            ("rank", kruskal_wallis(values, SITE, none).q),
            ("scale", brown_forsythe(spread, SITE).q),
        ):
            hit = q < 0.05
            assert hit[planted].any()
            wrong[name].append(float(np.mean(~planted[hit])))
    for name, shares in wrong.items():
        assert 0.002 < np.mean(shares) < 0.05, name


def test_a_difference_in_spread_is_seen_by_tests_of_spread_alone():
    rng = np.random.default_rng(1)
    site = np.arange(150) % 3
    values = rng.normal(size=(150, 10)) * np.array([0.6, 1, 1.6])[site][:, None]
    orders = site_permutations(site, np.arange(150), 39, 0)
    scale, q = significant_scale(values, site, orders)
    np.testing.assert_allclose(q, brown_forsythe(values, site).q, rtol=1e-10)
    ranks, _ = significant_ranks(values, site, np.empty((150, 0)), orders)
    assert scale.value == 1
    assert ranks.value == 0
    assert scale.null is not None
    assert scale.null.high < 0.2


def test_an_outlier_does_not_move_ranks():
    rng = np.random.default_rng(2)
    site = np.arange(120) % 3
    values = rng.normal(size=(120, 1)) + 0.8 * (site == 1)[:, None]
    values[0] = 1e6
    orders = site_permutations(site, np.arange(120), 19, 0)
    assert significant_ranks(values, site, np.empty((120, 0)), orders)[0].value == 1
    assert (
        site_effect(values, site, np.empty((120, 0)), orders, np.empty((0, 120))).features.q > 0.2
    )


SITE_METRICS = (
    "site_balanced_accuracy_linear", "site_auc_linear", "site_partial_eta_squared_median",
    "site_significant_fraction", "site_rank_significant_fraction", "site_permanova_r2",
    "site_cohens_d_median", "site_wasserstein_median", "site_mahalanobis_mean",
    "site_energy_share",
)  # fmt: skip
SCALE_METRICS = ("site_log_variance_ratio_median", "site_scale_significant_fraction")


@pytest.fixture(scope="module")
def ranked() -> Scorecard:
    """Raw, half of the location corrected, and the true inverse of location and scale."""
    phantom = simulate_table(TablePhantomConfig(sites=4, features=25, subjects=160), seed=3)
    raw = phantom.raw
    means = raw.features.groupby(raw.text("site").to_numpy()).transform("mean").to_numpy()
    # Half of every site's shift is left, and all of its scale.
    shifted = raw.with_values(raw.values - 0.5 * (means - raw.values.mean(axis=0)))
    inverse = phantom.undo_site(raw)
    age = raw.number("age").to_numpy()
    columns = np.column_stack([np.ones(len(age)), age])
    ageless = inverse.values - columns @ np.linalg.lstsq(columns, inverse.values, rcond=None)[0]
    return compare(
        {
            "raw": raw,
            "halved": shifted,
            "inverse": inverse,
            "ageless": inverse.with_values(ageless),
        },
        site="site",
        biology=["age", "sex"],
        config=CompareConfig(permutations=39, bootstraps=60),
    )


@pytest.mark.parametrize("metric", [*SITE_METRICS, *SCALE_METRICS, "site_kbet_rejection"])
def test_candidates_rank_by_what_they_leave_of_the_site(ranked: Scorecard, metric: str):
    value = {name: ranked.find(name, metric) for name in ("raw", "halved", "inverse")}
    raw, halved, inverse = (value[name] for name in ("raw", "halved", "inverse"))
    assert raw is not None
    assert halved is not None
    assert inverse is not None
    assert raw.value + 1e-9 >= halved.value >= inverse.value
    assert raw.value > inverse.value
    assert inverse.null is not None
    assert inverse.value <= inverse.null.high
    assert raw.null is not None
    assert raw.value > raw.null.high


def test_a_method_that_removes_age_too_is_named_and_off_the_front(ranked: Scorecard):
    told = [text for text in ranked.about["warnings"] if "biology went with the site" in text]
    assert {text.split("'")[1] for text in told} == {"ageless"}
    assert any("'age' is weaker than in 'raw'" in text for text in told)
    front = {point["candidate"]: point["front"] for point in ranked.about["plane"]["points"]}
    assert not front["ageless"]


def test_ilisi_ranks_the_other_way_round(ranked: Scorecard):
    raw, inverse = (ranked.find(name, "site_ilisi") for name in ("raw", "inverse"))
    assert raw is not None
    assert inverse is not None
    assert raw.higher_is_better
    assert raw.value < inverse.value


def test_variance_parts_are_whole_and_site_shrinks(ranked: Scorecard):
    parts = ranked.about["variance_partition"]
    for candidate in ranked.candidates:
        assert sum(part["value"] for part in parts[candidate].values()) == pytest.approx(1)
    site = {name: parts[name]["site"]["value"] for name in ranked.candidates}
    assert site["raw"] > site["halved"] > site["inverse"]
    assert parts["ageless"]["age"]["value"] < 0.01 < parts["inverse"]["age"]["value"]
    assert parts["inverse"]["age"]["value"] > parts["raw"]["age"]["value"]


def test_the_plane_puts_the_true_inverse_on_its_front(ranked: Scorecard):
    points = {point["candidate"]: point for point in ranked.about["plane"]["points"]}
    assert points["inverse"]["front"]
    assert points["inverse"]["removal"] > points["raw"]["removal"]
    low, high = points["inverse"]["removal_interval"]
    assert low <= points["inverse"]["removal"] <= high


def test_pairs_of_sites_are_listed_with_their_distances(ranked: Scorecard):
    pairs = ranked.about["site_pairs"]["raw"]
    assert len(pairs) == 6
    assert all(
        pair[name] > 0 for pair in pairs for name in ("cohens_d", "mahalanobis", "covariance")
    )


def test_a_covariance_effect_is_left_by_location_and_scale_and_seen(quick: CompareConfig):
    # As the sites' covariances differ, whatever is done to means and variances leaves it.
    rng = np.random.default_rng(2)
    site = np.arange(240) % 2
    factor = rng.normal(size=(240, 1))
    sign = np.where(site == 0, 1.0, -1.0)[:, None]
    values = rng.normal(size=(240, 8))
    values += 1.5 * np.hstack([factor.repeat(4, 1), (sign * factor).repeat(4, 1)])
    for code in range(2):
        part = values[site == code]
        values[site == code] = (part - part.mean(axis=0)) / part.std(axis=0)
    residual = residuals(values, site, np.empty((240, 0)))
    orders = site_permutations(site, np.arange(240), 39, 0)
    order = np.argsort(site, kind="stable")
    residual = residuals(values[order], site[order], np.empty((240, 0)))
    found = between_sites(residual, site[order], orders, np.empty((0, 240)), 8)
    assert null_p(found.covariance) == pytest.approx(1 / 40)
    assert found.mahalanobis.value < 1e-6


def test_a_destroyed_table_wins_nowhere(
    planted: tuple[FeatureTable, FeatureTable],
    quick: CompareConfig,
    set_constant: Callable[..., Any],
):
    raw, _ = planted
    card = compare(
        {"raw": raw, "destroyed": set_constant()},
        site="site",
        biology=["age"],
        outcome="sex",
        table=raw,
        config=quick,
    )
    assert "destroyed" not in {point["candidate"] for point in card.about["plane"]["points"]}
    for score in card:
        if score.candidate != "destroyed" or not score.higher_is_better:
            continue
        raw_score = card.find("raw", score.metric, score.target)
        assert score.value <= 0.5, score.metric
        assert raw_score is None or score.value <= raw_score.value, score.metric
    kept = card.find("destroyed", "control_marker_kept")
    assert kept is not None
    assert kept.value == 0
    changed = card.find("destroyed", "control_unneeded_change")
    assert changed is not None
    assert changed.value == 1
    warnings = [text for text in card.about["warnings"] if "'destroyed'" in text]
    assert any("nothing left" in text for text in warnings)
    assert any("removes more than the site" in text for text in warnings)


def test_a_table_of_site_means_alone_stays_finite(
    planted: tuple[FeatureTable, FeatureTable], quick: CompareConfig
):
    raw, _ = planted
    means = raw.features.groupby(raw.text("site").to_numpy()).transform("mean").to_numpy()
    card = compare(
        {"raw": raw, "means": raw.with_values(means)}, site="site", biology=["age"], config=quick
    )
    for score in card:
        assert np.isfinite(score.value), score
    for metric in ("site_partial_eta_squared_median", "site_energy_share", "site_permanova_r2"):
        found = card.find("means", metric)
        assert found is not None
        assert found.value == pytest.approx(1)


def test_distances_on_a_sample_of_the_cases_say_so(
    planted: tuple[FeatureTable, FeatureTable], quick: CompareConfig
):
    few = quick.model_copy(update={"distance_cases": 60})
    raw, _ = planted
    card = compare({"raw": raw}, site="site", biology=["age"], config=few)
    note = card.find("raw", "site_energy_share")
    assert note is not None
    assert "on 60 of 120 cases" in note.note
    whole = compare({"raw": raw}, site="site", biology=["age"], config=quick)
    full = whole.find("raw", "site_energy_share")
    assert full is not None
    assert full.note == ""
    assert full.value == pytest.approx(note.value, rel=0.3)
