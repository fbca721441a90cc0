"""ComBat inside scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import harmonize_kit as hk
from harmonize_kit.combat import ComBat, CovBat, LongitudinalComBat, NestedComBat
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


def fresh(estimator: Any) -> Any:
    return clone(estimator)


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


ESTIMATORS: dict[str, Any] = {
    "ComBat": ComBat(preserve="age + sex"),
    "ComBat-GAM": ComBat(preserve="sex", smooth=["age"]),
    "CovBat": CovBat(preserve=["age"]),
    "LongitudinalComBat": LongitudinalComBat(preserve="age", subject="person"),
    "NestedComBat": NestedComBat(["site", "kernel"], preserve="age"),
}


@pytest.fixture
def people(table: FeatureTable) -> pd.DataFrame:
    """Covariates with a person for every three cases, and a second batch variable."""
    number = np.arange(len(table.ids))
    person = np.char.add("p", (number // 3).astype(str))
    kernel = np.where(number * 7 % 5 < 2, "soft", "sharp")
    return table.covariates.assign(person=person, kernel=kernel)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS.keys())
def test_every_method_is_an_estimator(
    estimator: Any, table: FeatureTable, people: pd.DataFrame, tmp_path: Path
) -> None:
    for check in (
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_parameters_default_constructible,
    ):
        cast(Any, check)(type(estimator).__name__, fresh(estimator))
    with pytest.raises(NotFittedError, match=type(estimator).__name__):
        fresh(estimator).transform(table.features, covariates=people)
    fitted = fresh(estimator).set_output(transform="pandas").fit(table.features, covariates=people)
    out = fitted.transform(table.features, covariates=people)
    assert list(out.columns) == list(fitted.get_feature_names_out()) == table.names
    again = hk.load(hk.save(fitted, tmp_path / "model"))
    assert type(again) is type(estimator)
    got = again.transform(table.features, covariates=people)
    np.testing.assert_array_equal(got, out.to_numpy())
    refitted = fresh(again)
    got = refitted.fit(table.features, covariates=people).transform(
        table.features, covariates=people
    )
    np.testing.assert_allclose(got, out.to_numpy())


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS.keys())
def test_no_method_sees_the_test_fold(
    estimator: Any, table: FeatureTable, people: pd.DataFrame
) -> None:
    """Wild values of the test fold leave what the training fold alone gives."""
    train, test = next(iter(KFold(3, shuffle=True, random_state=0).split(table.features)))
    wild = table.features.copy()
    wild.iloc[test] = wild.iloc[test] * 1000
    routed = fresh(estimator).set_fit_request(covariates=True)
    routed = routed.set_transform_request(covariates=True)
    found = cross_validate(
        make_pipeline(routed, Ridge()), wild, np.zeros(len(wild)), cv=[(train, test)],
        scoring=lambda *_: 0.0, params={"covariates": people}, return_estimator=True,
    )["estimator"][0][0]  # fmt: skip
    alone = fresh(estimator).fit(table.features.iloc[train], covariates=people)
    own = table.features.iloc[train]
    np.testing.assert_array_equal(
        found.transform(own, covariates=people), alone.transform(own, covariates=people)
    )


def test_in_place_where_asked(table: FeatureTable) -> None:
    expected = ComBat().fit(table.values, covariates=table.covariates)
    X = table.values.copy()
    combat = ComBat(copy=False).fit(X, covariates=table.covariates)
    out = combat.transform(X, covariates=table.covariates)
    assert np.shares_memory(out, X)
    np.testing.assert_array_equal(
        out, expected.transform(table.values, covariates=table.covariates)
    )


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
