"""Associations and predictions: against other implementations and known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, roc_auc_score

from harmonize_kit.compare.association import Association, associations
from harmonize_kit.compare.covariates import Covariate, read_covariate, share_between_sites
from harmonize_kit.compare.folds import Fold, cross_validation
from harmonize_kit.compare.prediction import (
    auc_columns,
    estimates,
    r_squared,
    weighted_auc,
)
from harmonize_kit.compare.prediction import predict as predict_targets
from harmonize_kit.compare.resampling import (
    Estimate,
    bootstrap_weights,
    permutations_within_site,
)
from harmonize_kit.compare.ridge import PENALTIES, fit_ridge
from harmonize_kit.compare.standardised import standardise
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import CovariateError

RNG = np.random.default_rng(11)
N = 150
SITE = np.arange(N) % 3
AGE = RNG.uniform(20, 80, N) + 4 * SITE
SEX = np.where(RNG.random(N) < 0.5, "M", "F")
STAGE = np.array(["I", "II", "III"])[RNG.integers(0, 3, N)]
IDS = [f"c{row:03d}" for row in range(N)]
FRAME = pd.DataFrame({"age": AGE, "sex": SEX, "stage": STAGE}, index=IDS)
TABLE = FeatureTable(pd.DataFrame(index=IDS), FRAME)
BIOLOGY = [read_covariate(TABLE, name) for name in ("age", "sex", "stage")]
VALUES = RNG.normal(size=(N, 8)) + RNG.normal(scale=2, size=(3, 8))[SITE]
VALUES[:, 0] += 0.08 * AGE
VALUES[:, 1] -= 0.08 * AGE
VALUES[:, 2] += 2.0 * (SEX == "M")
VALUES[:, 3] += 3.0 * (STAGE == "III")


def associate(values: np.ndarray = VALUES, draws: int = 0) -> dict[str, Association]:
    weights = bootstrap_weights(SITE, np.arange(N), draws, 0)
    return {a.covariate.name: a for a in associations(values, SITE, BIOLOGY, weights)}


def predict(
    values: np.ndarray, covariate: Covariate, site: np.ndarray = SITE
) -> dict[str, Estimate]:
    subject = np.arange(len(site))
    split = cross_validation(site, subject, 5, 0)
    assert split is not None
    permuted = permutations_within_site(site, subject, 39, 0)
    tables = [standardise(values, fold) for fold in split.folds]
    (found,) = predict_targets(tables, [covariate], split.rows, permuted)
    return estimates(found, bootstrap_weights(site, subject, 60, 0))


def column(name: str, values: object) -> Covariate:
    frame = pd.DataFrame({name: values}, index=IDS)
    return read_covariate(FeatureTable(pd.DataFrame(index=IDS), frame), name)


def test_effect_is_the_correlation_of_residuals():
    others = np.column_stack(
        [SITE[:, None] == [0, 1, 2], SEX == "M", STAGE[:, None] == ["II", "III"]]
    ).astype(float)

    def residual(y: np.ndarray) -> np.ndarray:
        return y - others @ np.linalg.lstsq(others, y, rcond=None)[0]

    effect = associate()["age"].effect
    expected = [np.corrcoef(residual(AGE), residual(y))[0, 1] for y in VALUES.T]
    np.testing.assert_allclose(effect, expected, rtol=1e-10)
    assert effect[0] > 0.4
    assert effect[1] < -0.4


def test_binary_effect_points_to_the_second_level():
    found = associate()["sex"]
    assert found.covariate.levels == ("F", "M")
    assert found.effect[2] > 0.5
    assert found.features.q[2] < 1e-6
    assert found.features.q[[0, 1, 3]].min() > 0.05


def test_several_levels_give_an_unsigned_share():
    found = associate()["stage"]
    assert found.covariate.kind == "categorical"
    assert found.effect[3] > 0.4
    assert (found.effect >= 0).all()


def test_planted_shares_of_significant_features():
    found = {name: a.significant.value for name, a in associate().items()}
    assert found == {"age": 2 / 8, "sex": 1 / 8, "stage": 1 / 8}


def test_interval_surrounds_the_median_effect():
    for association in associate(draws=100).values():
        low, high = association.median.interval or (np.nan, np.nan)
        assert 0 <= low < association.median.value < high <= 1


def test_a_constant_feature_counts_as_no_association():
    constant = VALUES.copy()
    constant[:, :5] = 3.3
    found = associate(constant, draws=10)["age"]
    assert np.isnan(found.effect[:5]).all()
    assert found.median.value == 0
    assert found.median.interval == (0, 0)
    assert found.significant.value == 0


def test_ridge_is_scikit_learns_at_the_penalty_of_least_gcv():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(50, 80)), rng.normal(size=(9, 80))
    targets = np.column_stack([train[:, 0] + 0.3 * rng.normal(size=50), rng.normal(size=50)])
    every = Fold(np.arange(len(train)), np.arange(0))
    found = fit_ridge(standardise(train * 5 + 2, every), targets).predict(test * 5 + 2)
    scaled = (train - train.mean(axis=0)) / train.std(axis=0)
    held_out = (test - train.mean(axis=0)) / train.std(axis=0)
    for target, predicted in zip(targets.T, found.T, strict=True):
        centred, criterion = target - target.mean(), {}
        for penalty in 50 * PENALTIES:
            hat = scaled @ np.linalg.solve(scaled.T @ scaled + penalty * np.eye(80), scaled.T)
            residual = centred - hat @ centred
            criterion[penalty] = residual @ residual / (50 - 1 - np.trace(hat)) ** 2
        peer = Ridge(alpha=min(criterion, key=criterion.__getitem__)).fit(scaled, target)
        np.testing.assert_allclose(predicted + target.mean(), peer.predict(held_out), rtol=1e-8)


def test_targets_predicted_together_are_those_predicted_alone():
    split = cross_validation(SITE, np.arange(N), 5, 0)
    assert split is not None
    permuted = permutations_within_site(SITE, np.arange(N), 3, 0)
    tables = [standardise(VALUES, fold) for fold in split.folds]
    together = predict_targets(tables, BIOLOGY, split.rows, permuted)
    for covariate, found in zip(BIOLOGY, together, strict=True):
        (alone,) = predict_targets(tables, [covariate], split.rows, permuted)
        np.testing.assert_allclose(found.score, alone.score, rtol=1e-9, atol=1e-12)
        for one, other in zip(found.models, alone.models, strict=True):
            np.testing.assert_array_equal(one.penalty, other.penalty)
    levels = together[2]
    np.testing.assert_array_equal(levels.target, BIOLOGY[2].targets())


def test_auc_and_r2_are_scikit_learns_with_ties_and_weights():
    rng = np.random.default_rng(0)
    positive, score = rng.random(60) < 0.4, rng.integers(0, 6, 60).astype(float)
    weights = rng.integers(0, 4, size=(5, 60)).astype(float)
    weights[4] = positive  # one class only
    expected = [roc_auc_score(positive, score, sample_weight=weight) for weight in weights[:4]]
    found = weighted_auc(positive, score, weights)
    np.testing.assert_allclose(found[:4], expected)
    assert np.isnan(found[4])
    assert auc_columns(positive, score) == pytest.approx(roc_auc_score(positive, score))
    target = score + rng.normal(size=60)
    expected = [r2_score(target, score, sample_weight=weight) for weight in weights]
    np.testing.assert_allclose(r_squared(target, score, weights), expected)


def test_planted_biology_is_predicted():
    age, sex, stage = (predict(VALUES, covariate) for covariate in BIOLOGY)
    assert set(age) == {"r2", "mae"}
    assert set(sex) == set(stage) == {"auc"}
    for estimate in (age["r2"], sex["auc"], stage["auc"]):
        assert estimate.null is not None
        assert estimate.interval is not None
        assert estimate.null.p == pytest.approx(1 / 40)
        assert estimate.interval[0] < estimate.value < estimate.interval[1]
    assert age["r2"].value > 0.5
    assert sex["auc"].value > 0.75
    assert age["mae"].value < np.abs(AGE - AGE.mean()).mean()


def test_noise_predicts_nothing_and_pooled_auc_is_not_pulled_down():
    rng = np.random.default_rng(1)
    auc, r2 = [], []
    for _ in range(12):
        noise = rng.normal(size=(N, 10))
        auc.append(predict(noise, BIOLOGY[1])["auc"].value)
        r2.append(predict(noise, BIOLOGY[0])["r2"].value)
    assert np.mean(auc) == pytest.approx(0.5, abs=0.04)
    assert max(r2) < 0.1


def test_prediction_by_way_of_the_site_shows_in_the_null():
    site_only = np.random.default_rng(2).normal(size=(N, 6)) + 3 * SITE[:, None]
    dose = column("dose", SITE * 10 + np.random.default_rng(3).normal(size=N))
    found = predict(site_only, dose)["r2"]
    assert found.null is not None
    assert found.value > 0.8
    assert found.null.low <= found.value <= found.null.high
    assert share_between_sites(dose, SITE) > 0.9


def test_a_rare_level_is_judged_on_the_samples_that_hold_it():
    rare = column("rare", np.where(np.arange(N) < 3, "yes", "no"))
    values = np.random.default_rng(4).normal(size=(N, 4))
    values[:3] += 6
    found = predict(values, rare)["auc"]
    assert found.value > 0.95
    assert found.interval is not None
    assert found.interval[0] > 0.8


@pytest.mark.parametrize(
    ("cells", "kind", "levels"),
    [
        (["1", "2", "3"], "numeric", ()),
        ([0.0, 1.0, 1.0], "binary", ("0", "1")),
        (["9", "10", "10"], "binary", ("9", "10")),
        (["b", "a", "b"], "binary", ("a", "b")),
        (["b", "a", "c"], "categorical", ("a", "b", "c")),
        (["1", "2", "x"], "categorical", ("1", "2", "x")),
    ],
)
def test_kind_of_a_column(cells: list[object], kind: str, levels: tuple[str, ...]):
    covariate = column("score", cells * 50)
    assert (covariate.kind, covariate.levels) == (kind, levels)


def test_missing_cells_are_named():
    with pytest.raises(CovariateError, match=r"'score'.*'c001', 'c004'"):
        column("score", ["1", "NA", "3", "4", "", *["5"] * (N - 5)])
    with pytest.raises(CovariateError, match=r"'score'.*'c000'"):
        column("score", [None, *["a", "b"] * 74, "b"])
    with pytest.raises(CovariateError, match="'score' must vary"):
        column("score", ["same"] * N)
