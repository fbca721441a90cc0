"""Effects and curves against the within-site target: other implementations, laws, known truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.compare.biology_model import (
    BiologyDesign,
    BiologyDraws,
    biology_design,
    draw_biology,
)
from harmonize_kit.compare.covariate_curves import curve_basis, curve_distance, summarise_curves
from harmonize_kit.compare.covariates import read_covariate
from harmonize_kit.compare.effect_agreement import agreement
from harmonize_kit.compare.rank_preservation import rank_preservation
from harmonize_kit.compare.resampling import bootstrap_weights
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.phantom import simulate_table

PEERS: dict[str, Any] = json.loads((Path(__file__).parent / "figures" / "peers.json").read_text())
SITE = np.asarray(PEERS["site"], dtype=np.intp)
VALUES = np.asarray(PEERS["values"])
ONES = np.ones((1, len(SITE)))


def design_of(columns: dict[str, Any], n: int) -> BiologyDesign:
    frame = pd.DataFrame(columns, index=[f"c{row}" for row in range(n)])
    table = FeatureTable(pd.DataFrame(index=frame.index), frame)
    return biology_design([read_covariate(table, name) for name in columns])


DESIGN = design_of({"age": PEERS["age"], "sex": PEERS["sex"]}, len(SITE))


def drawn(values: np.ndarray, *, within: bool, weights: np.ndarray = ONES) -> BiologyDraws:
    return draw_biology(values, SITE, DESIGN, weights, within=within)


@pytest.mark.parametrize(("within", "peer"), [(True, "within_effects"), (False, "overall_effects")])
def test_effects_are_those_of_statsmodels(within: bool, peer: str):
    effects = drawn(VALUES, within=within).effects[0]
    np.testing.assert_allclose(effects, PEERS[peer], rtol=1e-8)


@pytest.mark.parametrize("within", [True, False])
def test_curves_are_those_of_another_natural_spline(within: bool):
    basis = DESIGN.bases["age"]
    np.testing.assert_allclose(basis.points, PEERS["points"], rtol=1e-12)
    curve = (basis.at @ drawn(VALUES, within=within).curves["age"][0]).T
    expected = PEERS["curves"]["within" if within else "overall"]
    np.testing.assert_allclose(curve, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("within", [True, False])
def test_draws_are_refits_to_repeated_rows(within: bool):
    weights = bootstrap_weights(SITE, np.arange(len(SITE)), 4, seed=1)
    found = drawn(VALUES, within=within, weights=weights)
    for weight, effects in zip(weights, found.effects, strict=True):
        rows = np.repeat(np.arange(len(SITE)), weight.astype(int))
        again = replace(DESIGN, columns=DESIGN.columns[rows])
        refit = draw_biology(VALUES[rows], SITE[rows], again, np.ones((1, len(rows))),
                             within=within)  # fmt: skip
        np.testing.assert_allclose(effects, refit.effects[0], rtol=1e-8)


def test_a_site_effect_leaves_the_target_where_it_is_and_moves_what_is_held_against_it():
    rng = np.random.default_rng(0)
    shift = rng.normal(scale=3, size=(3, 4))[SITE]
    clean, shifted = (drawn(v, within=True).effects[0] for v in (VALUES, VALUES + shift))
    np.testing.assert_allclose(shifted, clean, rtol=1e-9)
    before, after = (drawn(v, within=False).effects[0] for v in (VALUES, VALUES + shift))
    assert np.abs(before - after).max() > 0.1


def test_units_and_signs_of_features_do_not_matter():
    scale = np.array([1e-6, -1e6, 3.0, -0.5])
    for within in (True, False):
        one, other = (drawn(v, within=within) for v in (VALUES, VALUES * scale + 7 * scale))
        np.testing.assert_allclose(other.effects, one.effects * np.sign(scale), rtol=1e-7)
    target = drawn(VALUES, within=True).effects[:, 0]
    effects = drawn(VALUES, within=False).effects[:, 0]
    flipped = agreement(effects * np.sign(scale), target * np.sign(scale))
    assert flipped.concordance == pytest.approx(agreement(effects, target).concordance)


def test_a_covariate_that_no_site_can_tell_has_no_target():
    columns = {"age": PEERS["age"], "scanner": np.where(SITE == 0, "old", "new")}
    effects = draw_biology(VALUES, SITE, design_of(columns, len(SITE)), ONES, within=True).effects[
        0
    ]
    assert np.isfinite(effects[0]).all()
    assert np.isnan(effects[1]).all()


def test_agreement_tells_loss_exaggeration_and_another_pattern():
    target = np.random.default_rng(0).normal(size=(1, 200))
    other = np.random.default_rng(1).normal(size=(1, 200))
    kept, lost, gone = (agreement(x, target) for x in (target, 0.5 * target, 0 * target))
    assert [kept.concordance, kept.slope, kept.correlation] == [pytest.approx(1)] * 3
    assert lost.slope == pytest.approx(0.5)
    assert lost.concordance == pytest.approx(0.8)
    assert lost.correlation == pytest.approx(1)
    assert not np.any([gone.concordance, gone.slope, gone.correlation])
    assert agreement(2 * target, target).concordance == pytest.approx(0.8)
    assert abs(agreement(other, target).correlation[0]) < 0.3


def test_planted_truth_is_ranked_and_lost_age_is_flagged():
    config = TablePhantomConfig(subjects=400, features=40, confounding=0.5, shift=1.0)
    phantom = simulate_table(config, 3)
    raw = phantom.raw
    site = np.unique(raw.text("site").to_numpy(dtype=str), return_inverse=True)[1].astype(np.intp)
    design = biology_design([read_covariate(raw, name) for name in ("age", "sex", "group")])
    ones = np.ones((1, len(site)))
    target = draw_biology(raw.values, site, design, ones, within=True)
    age = raw.number("age").to_numpy(dtype=np.float64)
    sites = (site[:, None] == np.arange(4)).astype(float)
    centred = raw.values - sites @ (np.linalg.pinv(sites) @ raw.values)
    rows = np.column_stack([age, age**2, sites])
    aged = raw.values - rows @ (np.linalg.pinv(rows) @ raw.values)
    found: dict[str, Any] = {}
    for name, values in (
        ("raw", raw.values), ("true", phantom.undo_site(raw).values), ("centred", centred),
        ("without age", aged),
    ):  # fmt: skip
        one = draw_biology(values, site, design, ones, within=False)
        agreed = agreement(one.effects[:, 0], target.effects[:, 0])
        distance = curve_distance(design.bases["age"], one.curves["age"], target.curves["age"])
        found[name] = agreed.concordance[0], agreed.slope[0], distance[0]
    assert found["raw"][0] < found["true"][0] - 0.1
    assert found["true"][0] > 0.9
    # Courses are bent and ages differ between sites, so lines cannot agree to the last.
    assert found["true"][1] == pytest.approx(1, abs=0.2)
    assert found["true"][2] < 0.5 * found["raw"][2]
    # Centring sites that differ in age takes age along; removing age takes all of it.
    assert found["centred"][1] < found["true"][1] - 0.1
    assert abs(found["without age"][1]) < 0.1
    assert found["without age"][0] < 0.2


def test_within_site_effects_recover_what_was_planted():
    config = TablePhantomConfig(subjects=600, features=60, scale=0.3, confounding=0.3)
    phantom = simulate_table(config, 5)
    raw = phantom.raw
    site = np.unique(raw.text("site").to_numpy(dtype=str), return_inverse=True)[1].astype(np.intp)
    design = biology_design([read_covariate(raw, name) for name in ("age", "sex", "group")])
    found = draw_biology(raw.values, site, design, np.ones((1, len(site))), within=True).effects
    planted = np.asarray(phantom.group_effect, dtype=np.float64)[None]
    retained = agreement(found[:, 2], planted)
    assert retained.slope[0] == pytest.approx(1, abs=0.1)
    assert retained.correlation[0] > 0.95


def test_without_draws_there_are_no_intervals():
    none = np.empty((0, len(SITE)))
    found = drawn(VALUES, within=True, weights=none)
    assert found.effects.shape == (0, 2, 4)
    assert found.curves["age"].shape == (0, 3, 4)


def test_curve_needs_many_values_and_turns_features_to_rise():
    assert curve_basis(np.repeat([1.0, 2.0, 3.0], 20)) is None
    assert curve_basis(np.array([0.0] * 90 + list(range(1, 11)))) is None
    basis = curve_basis(np.linspace(20, 80, 100))
    assert basis is not None
    rising = np.zeros((3, 4))
    rising[0] = [1, -1, 2, -2]
    summary = summarise_curves(basis, rising, rising)
    assert np.all(np.diff(summary["median"]) > 0)
    assert summary["median"][-1] > 0 > summary["median"][0]


def test_rank_preservation_is_the_mean_of_pandas_correlations():
    rng = np.random.default_rng(0)
    before = rng.integers(0, 8, size=(60, 3)).astype(float)
    after = before + rng.normal(size=(60, 3))
    expected = np.zeros(3)
    for code in range(3):
        rows = np.equal(SITE, code)
        for column in range(3):
            pair = pd.DataFrame({"a": before[rows, column], "b": after[rows, column]})
            expected[column] += pair.corr(method="spearman").iloc[0, 1] * rows.sum() / 60
    np.testing.assert_allclose(rank_preservation(before, after, SITE), expected, rtol=1e-10)


def test_location_and_scale_of_a_site_keep_the_order_and_a_constant_keeps_none():
    scale, shift = np.array([0.3, 2, 9])[SITE, None], np.array([-4, 0, 50])[SITE, None]
    kept = rank_preservation(VALUES, VALUES * scale + shift, SITE)
    np.testing.assert_allclose(kept, 1)
    assert rank_preservation(VALUES, -VALUES, SITE) == pytest.approx([-1] * 4)
    assert (rank_preservation(VALUES, np.ones_like(VALUES), SITE) == 0).all()
    flat = VALUES.copy()
    flat[:, 1] = 3.0
    assert np.isnan(rank_preservation(flat, VALUES, SITE)[1])
