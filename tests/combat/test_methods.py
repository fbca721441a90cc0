"""CovBat, ComBat-GAM, longitudinal and nested ComBat on tables: the laws, and equality with R."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import laws
import numpy as np
import pandas as pd
import pytest
from conftest import make_table

from harmonize_kit.combat import (
    ComBatHarmonizer,
    CovBatHarmonizer,
    FittedComBat,
    LongitudinalComBatHarmonizer,
    describe,
    harmonizer_of,
    restore,
)
from harmonize_kit.config.combat import (
    ComBatConfig,
    CovBatConfig,
    LongitudinalComBatConfig,
    NestedComBatConfig,
)
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import (
    ConfigError,
    CovariateError,
    DesignError,
    HarmonizeWarning,
    IntegrityError,
    TableError,
)

FIGURES = Path(__file__).parent.parent / "oracle" / "combat"
METHODS: dict[str, ComBatConfig] = {
    "gam": ComBatConfig(preserve="age + sex", smooth=("age",)),
    "gam with reference": ComBatConfig(preserve="sex", smooth=("age",), reference="B"),
    "covbat": CovBatConfig(preserve="age + sex"),
    "covbat over a smooth": CovBatConfig(smooth=("age",), components=3),
    "robust": ComBatConfig(preserve="age", robust=True),
    "nested": NestedComBatConfig(batches=("site", "kernel"), preserve="age"),
}


@pytest.fixture
def visits() -> FeatureTable:
    """Thirty subjects at three visits each, with levels of their own."""
    table = make_table(4)
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(30), 3)
    values = table.values + 2 * rng.normal(size=(30, len(table.names)))[people]
    subject = [f"p{number}" for number in people]
    return replace(table.with_values(values), covariates=table.covariates.assign(subject=subject))


@pytest.fixture
def table() -> FeatureTable:
    plain = make_table(2)
    kernel = np.where(np.random.default_rng(2).uniform(size=90) < 0.4, "soft", "sharp")
    values = plain.values + 0.7 * (kernel == "soft")[:, None]
    return replace(plain.with_values(values), covariates=plain.covariates.assign(kernel=kernel))


@pytest.mark.parametrize("law", laws.ALL, ids=lambda law: law.__name__)
@pytest.mark.parametrize("config", METHODS.values(), ids=METHODS.keys())
def test_methods_obey(
    law: Callable[[Any, FeatureTable], None], config: ComBatConfig, table: FeatureTable
) -> None:
    law(harmonizer_of(config), table)


@pytest.mark.parametrize(
    "law", [law for law in laws.ALL if law is not laws.serves_single_cases],
    ids=lambda law: law.__name__,
)  # fmt: skip
def test_longitudinal_obeys(law: Callable[[Any, FeatureTable], None], visits: FeatureTable) -> None:
    law(LongitudinalComBatHarmonizer(LongitudinalComBatConfig(preserve="age")), visits)


def test_a_subject_is_served_alone_as_among_all(visits: FeatureTable) -> None:
    config = LongitudinalComBatConfig(preserve="age + sex", reference="A")
    fitted = LongitudinalComBatHarmonizer(config).fit(visits)
    whole = fitted.apply(visits)
    own = visits.ids[3:6]
    np.testing.assert_allclose(fitted.apply(visits.select(own)).values, whole.select(own).values)
    reference = (visits.covariates["site"] == "A").to_numpy()
    np.testing.assert_array_equal(whole.values[reference], visits.values[reference])


@pytest.mark.parametrize("config", METHODS.values(), ids=METHODS.keys())
def test_models_survive_their_document(config: ComBatConfig, table: FeatureTable) -> None:
    fitted = harmonizer_of(config).fit(table)
    again = restore(*describe(fitted))
    np.testing.assert_array_equal(again.apply(table).values, fitted.apply(table).values)


def test_documents_that_do_not_fit_together_are_refused(table: FeatureTable) -> None:
    kind, document, arrays = describe(harmonizer_of(METHODS["gam"]).fit(table))
    with pytest.raises(IntegrityError, match="kind"):
        restore("combat-2", document, arrays)
    with pytest.raises(IntegrityError, match="knots"):
        restore(kind, document, {**arrays, "smooth0_knots": arrays["smooth0_knots"] + 1})
    kind, document, arrays = describe(harmonizer_of(METHODS["covbat"]).fit(table))
    with pytest.raises(IntegrityError, match="rotation"):
        restore(kind, document, {**arrays, "scores_rotation": arrays["scores_rotation"][:2]})
    with pytest.raises(IntegrityError, match="components"):
        restore(kind, {**document, "config": {"components": "many"}}, arrays)
    kind, document, arrays = describe(harmonizer_of(METHODS["nested"]).fit(table))
    with pytest.raises(IntegrityError, match="stages"):
        restore(kind, {"stages": []}, arrays)


@pytest.fixture(scope="module")
def oracle() -> FeatureTable:
    features = pd.read_csv(FIGURES / "data.csv", index_col="id")
    return FeatureTable.join(features, pd.read_csv(FIGURES / "covars.csv", index_col="id"))


@pytest.mark.parametrize(
    ("figure", "config", "bar"),
    [
        ("covfam_lm", CovBatConfig(site="SITE", preserve="age+sex+dx"), 1e-8),
        ("comfam_lm_robust", ComBatConfig(site="SITE", preserve="age+sex+dx", robust=True), 1e-10),
        # Another basis and knots: what is alike is the curve, not the digits.
        ("comfam_gam_reml", ComBatConfig(site="SITE", preserve="sex+dx", smooth=("age",)), 0.05),
    ],
)
def test_equals_r(oracle: FeatureTable, figure: str, config: ComBatConfig, bar: float) -> None:
    expected = pd.read_csv(FIGURES / f"{figure}.csv", index_col="id").loc[oracle.ids, oracle.names]
    got = harmonizer_of(config).fit(oracle).apply(oracle)
    np.testing.assert_allclose(got.values, expected.to_numpy(), rtol=0, atol=bar)


def test_longitudinal_equals_longcombat() -> None:
    frame, expected = (
        pd.read_csv(FIGURES / name) for name in ("long_input.csv", "longcombat_R.csv")
    )
    frame.index = expected.index = pd.Index([f"v{row}" for row in range(len(frame))])
    names = [name for name in frame.columns if name.startswith("f0")]
    features, covariates = frame[names], frame[["ID", "time", "SITE", "age", "sex"]]
    table = FeatureTable(features, covariates)
    config = LongitudinalComBatConfig(site="SITE", subject="ID", preserve="age + sex * time")
    got = LongitudinalComBatHarmonizer(config).fit(table).apply(table)
    reference = expected[[f"{name}.combat" for name in names]].to_numpy()
    np.testing.assert_allclose(got.values, reference, rtol=0, atol=1e-4)


def test_a_curved_effect_is_kept_by_a_smooth_and_not_by_a_line() -> None:
    """Sites of different age and a curved age effect: a line takes the curve for the site."""
    rng = np.random.default_rng(0)
    n, p = 400, 8
    code = np.arange(n) % 2
    age = np.where(code == 0, rng.uniform(20, 60, n), rng.uniform(40, 80, n))
    curve = 6 * np.sin(age / 12)[:, None]
    truth = curve + rng.normal(size=(n, p))
    values = truth + np.where(code == 0, 0.5, -0.5)[:, None]
    ids = [f"s{row}" for row in range(n)]
    covariates = pd.DataFrame({"site": np.array(["A", "B"])[code], "age": age}, index=ids)
    columns = [f"f{number}" for number in range(p)]
    table = FeatureTable(pd.DataFrame(values, index=ids, columns=columns), covariates)
    error: dict[str, float] = {}
    for name, config in (
        ("line", ComBatConfig(preserve="age")),
        ("smooth", ComBatConfig(smooth=("age",))),
    ):
        got = ComBatHarmonizer(config).fit(table).apply(table).values
        gap = (got - truth)[code == 0].mean(axis=0) - (got - truth)[code == 1].mean(axis=0)
        error[name] = float(np.abs(gap).mean())
    assert error["smooth"] < 0.15
    assert error["line"] > 2 * error["smooth"]


def test_age_in_days_gives_the_same_smooth(table: FeatureTable) -> None:
    expected = harmonizer_of(METHODS["gam"]).fit(table).apply(table).values
    days = replace(table, covariates=table.covariates.assign(age=table.number("age") * 365.25))
    got = harmonizer_of(METHODS["gam"]).fit(days).apply(days).values
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_a_smooth_fit_leaves_missing_cells_out(table: FeatureTable) -> None:
    """A feature with a gap is fitted to the cases that have it; no other feature's curve moves."""
    values = table.values.copy()
    values[4, 2] = np.nan
    whole: Any = harmonizer_of(METHODS["gam"]).fit(table)
    holed: Any = harmonizer_of(METHODS["gam"]).fit(table.with_values(values))
    others = np.arange(12) != 2
    np.testing.assert_allclose(holed.coefficients[:, others], whole.coefficients[:, others])
    left = table.select([case for case in table.ids if case != table.ids[4]])
    alone: Any = harmonizer_of(METHODS["gam"]).fit(left)
    old, new = (
        fitted.design.matrix(left.covariates) @ fitted.coefficients[:, 2]
        for fitted in (holed, alone)
    )
    # Knots and centre differ by one case; the curves hardly do.
    np.testing.assert_allclose(old - old.mean(), new - new.mean(), atol=0.05)


def test_a_new_site_is_learned_by_a_smooth_model(table: FeatureTable) -> None:
    at = table.covariates["site"].to_numpy()
    old, new = (
        table.select(np.array(table.ids)[flags].tolist()) for flags in (at != "C", at == "C")
    )
    fitted = harmonizer_of(METHODS["gam"]).fit(old)
    assert isinstance(fitted, FittedComBat)
    adapted = fitted.adapt(new)
    got = adapted.apply(new)
    assert np.isfinite(got.values).all()
    np.testing.assert_array_equal(adapted.apply(old).values, fitted.apply(old).values)


def test_what_each_method_refuses(table: FeatureTable, visits: FeatureTable) -> None:
    values = table.values.copy()
    values[3, 2] = np.nan
    gap = table.with_values(values)
    for config in (CovBatConfig(), ComBatConfig(robust=True)):
        with pytest.raises(TableError, match=r"id 'sub-003', column 'f02'"):
            harmonizer_of(config).fit(gap)
    with pytest.raises(CovariateError, match="'sex', a covariate of groups"):
        harmonizer_of(ComBatConfig(smooth=("sex",))).fit(table)
    with pytest.raises(CovariateError, match="no column 'agee'"):
        harmonizer_of(ComBatConfig(smooth=("agee",))).fit(table)
    with pytest.raises(ConfigError, match="smooth"):
        harmonizer_of(ComBatConfig(smooth=("age",), robust=True)).fit(table)
    with pytest.raises(ConfigError, match="smooth"):
        harmonizer_of(LongitudinalComBatConfig(smooth=("age",))).fit(visits)
    few = replace(table, covariates=table.covariates.assign(grade=np.arange(90) % 3))
    with pytest.raises(DesignError, match="3 distinct values"):
        harmonizer_of(ComBatConfig(smooth=("grade",))).fit(few)


def test_a_feature_that_combat_passes_through_covbat_leaves_too(table: FeatureTable) -> None:
    values = table.values.copy()
    values[(table.covariates["site"] == "A").to_numpy(), 1] = 4.0
    flat = table.with_values(values)
    with pytest.warns(HarmonizeWarning, match="f01"):
        fitted = CovBatHarmonizer(CovBatConfig()).fit(flat)
    np.testing.assert_array_equal(fitted.apply(flat).values[:, 1], values[:, 1])


def test_a_site_of_one_case_leaves_a_robust_fit_robust() -> None:
    table = make_table()
    covariates = table.covariates.copy()
    covariates.loc[covariates.index[5], "site"] = "Z"
    alone = replace(table, covariates=covariates)
    fitted = {}
    for robust in (True, False):
        with pytest.warns(HarmonizeWarning, match="'Z'"):
            fitted[robust] = ComBatHarmonizer(ComBatConfig(robust=robust)).fit(alone)
    assert fitted[True].sites[3] == "Z"
    assert (fitted[True].scale[3] == 1).all()
    assert not np.allclose(fitted[True].scale[:3], fitted[False].scale[:3], rtol=1e-3)
