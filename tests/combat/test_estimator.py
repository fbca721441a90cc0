"""ComBat inside scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline

from harmonize_kit.combat import ComBat
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import NotFittedError, TableError


@pytest.fixture
def routed() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def routed_combat(**choices: Any) -> Any:
    combat: Any = ComBat(**choices)
    return combat.set_fit_request(covariates=True).set_transform_request(covariates=True)


def test_frames_join_by_index_in_any_order(table: FeatureTable) -> None:
    combat = ComBat(preserve="age + sex").fit(table.features, covariates=table.covariates)
    expected = combat.transform(table.features, covariates=table.covariates)
    shuffled = table.covariates.iloc[::-1]
    np.testing.assert_array_equal(combat.transform(table.features, covariates=shuffled), expected)
    other = ComBat(preserve=["age", "sex"]).fit(table.features, covariates=shuffled)
    np.testing.assert_allclose(other.transform(table.features, covariates=shuffled), expected)


def test_arrays_join_by_position_and_must_match(table: FeatureTable) -> None:
    combat = ComBat().fit(table.values, covariates=table.covariates)
    assert combat.transform(table.values[:3], covariates=table.covariates[:3]).shape == (3, 12)
    with pytest.raises(TableError, match="by position"):
        combat.transform(table.values[:3], covariates=table.covariates)


def test_transform_before_fit_is_told(table: FeatureTable) -> None:
    with pytest.raises(NotFittedError, match="fit"):
        ComBat().transform(table.values, covariates=table.covariates)


def test_names_and_output_container(table: FeatureTable) -> None:
    combat = ComBat().set_output(transform="pandas")
    combat.fit(table.features, covariates=table.covariates)
    assert list(combat.get_feature_names_out()) == table.names
    out = combat.transform(table.features[:2], covariates=table.covariates)
    assert isinstance(out, pd.DataFrame)
    assert list(out.index) == table.ids[:2]


def test_clone_keeps_choices_and_drops_state(table: FeatureTable) -> None:
    combat = ComBat(preserve="age", mean_only=True).fit(table.features, covariates=table.covariates)
    copy: Any = clone(combat)
    assert copy.get_params() == combat.get_params()
    assert not hasattr(copy, "model_")


@pytest.mark.usefixtures("routed")
def test_covariates_reach_every_fold(table: FeatureTable) -> None:
    pipeline = make_pipeline(routed_combat(preserve="age"), Ridge())
    params = {"covariates": table.covariates}
    scores = cross_validate(pipeline, table.features, table.number("age"), params=params)
    assert np.isfinite(scores["test_score"]).all()
    grid = GridSearchCV(pipeline, {"combat__mean_only": [True, False]}, cv=3)
    grid.fit(table.features, table.number("age"), covariates=table.covariates)
    assert "combat__mean_only" in grid.best_params_


@pytest.mark.usefixtures("routed")
def test_test_subjects_do_not_touch_the_fit(table: FeatureTable) -> None:
    """Held-out subjects get what a model of the training subjects alone gives them.

    Would the harmonizer see the test fold, wild values in it would change everybody else.
    """
    folds = KFold(3)
    train, test = next(iter(folds.split(table.features)))
    wild = table.features.copy()
    wild.iloc[test] = wild.iloc[test] * 1000
    pipeline = make_pipeline(routed_combat(), Ridge())
    found = cross_validate(
        pipeline, wild, np.zeros(len(wild)), cv=folds, scoring=lambda *_: 0.0,
        params={"covariates": table.covariates}, return_estimator=True,
    )  # fmt: skip
    in_fold = found["estimator"][0].named_steps["combat"]
    alone = ComBat().fit(table.features.iloc[train], covariates=table.covariates)
    seeing_all = ComBat().fit(wild, covariates=table.covariates)
    np.testing.assert_array_equal(in_fold.model_.location, alone.model_.location)
    np.testing.assert_array_equal(in_fold.model_.pooled_sd, alone.model_.pooled_sd)
    assert not np.allclose(in_fold.model_.pooled_sd, seeing_all.model_.pooled_sd, rtol=0.1)
