"""Prediction at a site the predictor has not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harmonize_kit.compare.covariates import Covariate, read_covariate
from harmonize_kit.compare.folds import Fold, cross_validation
from harmonize_kit.compare.new_site import new_site_scores, predict_new_sites, within_site_auc
from harmonize_kit.compare.standardised import Standardised, standardise
from harmonize_kit.core.table import FeatureTable

N = 90
RNG = np.random.default_rng(8)
SITE = np.arange(N) % 3
AGE = RNG.uniform(20, 80, N)
SEX = np.where(RNG.random(N) < 0.5, "F", "M")


def covariate(name: str, values: object) -> Covariate:
    frame = pd.DataFrame({name: values}, index=[f"c{row}" for row in range(N)])
    return read_covariate(FeatureTable(pd.DataFrame(index=frame.index), frame), name)


def folds() -> tuple[Fold, ...]:
    split = cross_validation(SITE, np.arange(N), 4, 0)
    assert split is not None
    return split.folds


def tables(values: np.ndarray) -> list[Standardised]:
    return [standardise(values, fold) for fold in folds()]


@pytest.mark.parametrize("p", [6, 55, 120])  # 55: more than the cases without a site
def test_prediction_is_that_of_scikit_learn_without_the_site(p: int):
    values = RNG.normal(size=(N, p)) * 3 + 10 + SITE[:, None]
    values[:, 0] += 0.2 * AGE
    values[:, 2] = 5.0
    values[SITE == 1, 3] = 2.0  # varies at one site only
    values[SITE == 2, 3] = 2.0
    targets = np.column_stack([AGE, (SEX == "M").astype(float)])
    penalty = np.array([0.1, 3.0])
    found = predict_new_sites(tables(values), targets, [penalty] * 4, SITE)
    for fold in folds():
        for code in range(3):
            train = fold.train[SITE[fold.train] != code]
            test = fold.test[SITE[fold.test] == code]
            for column in range(2):
                model = make_pipeline(StandardScaler(), Ridge(alpha=penalty[column] * len(train)))
                model.fit(values[train], targets[train, column])
                kept = np.abs(values[train] - values[train].mean(axis=0)).max(axis=0) > 1e-9
                if not kept.all():
                    model.fit(values[train][:, kept], targets[train, column])
                expected = model.predict(values[test][:, kept])
                np.testing.assert_allclose(found[test, column], expected, rtol=1e-8, atol=1e-9)


def test_scores_are_those_of_scikit_learn():
    weights = np.ones((3, N))
    age, sex = covariate("age", AGE), covariate("sex", SEX)
    predicted = AGE[:, None] + RNG.normal(scale=9, size=(N, 1))
    found = new_site_scores(age, AGE[:, None], predicted, SITE, weights)
    assert found["new_site_r2"].value == pytest.approx(r2_score(AGE, predicted[:, 0]))
    assert found["new_site_mae"].value == pytest.approx(mean_absolute_error(AGE, predicted[:, 0]))
    assert found["new_site_r2"].interval == pytest.approx((found["new_site_r2"].value,) * 2)
    score = RNG.normal(size=(N, 1)) + (SEX == "M")[:, None]
    found = new_site_scores(sex, sex.targets(), score, SITE, weights)
    wins = pairs = 0.0
    for code in range(3):
        own = code == SITE
        count = np.sum(SEX[own] == "M") * np.sum(SEX[own] == "F")
        wins += roc_auc_score(SEX[own] == "M", score[own, 0]) * count
        pairs += count
    assert found["new_site_auc"].value == pytest.approx(wins / pairs)


def test_a_level_of_the_score_that_differs_between_sites_costs_no_area():
    positive = SEX == "M"
    score = RNG.normal(size=N) + positive
    ones = np.ones((1, N))
    moved = within_site_auc(positive, score + 100.0 * SITE, SITE, ones)
    assert moved == pytest.approx(within_site_auc(positive, score, SITE, ones))
    alone = within_site_auc(SITE == 0, score, SITE, ones)  # each site has one level only
    assert np.isnan(alone[0])


def test_a_site_that_bends_the_relation_is_seen_here_and_not_in_folds_that_know_it():
    values = RNG.normal(size=(N, 5))
    values[:, 0] += 0.3 * AGE + np.array([0.0, 40.0, -40.0])[SITE]
    penalty = [np.array([0.001])] * 4
    apart = predict_new_sites(tables(values), AGE[:, None], penalty, SITE)
    values[:, 0] -= np.array([0.0, 40.0, -40.0])[SITE]
    together = predict_new_sites(tables(values), AGE[:, None], penalty, SITE)
    assert r2_score(AGE, together[:, 0]) > 0.8
    assert r2_score(AGE, apart[:, 0]) < 0
