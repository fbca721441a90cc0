"""What ComBat refuses, and what it says; and what it lets through, and says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.combat import ComBatHarmonizer, from_document, parse_formula, to_document
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import (
    CovariateError,
    DesignError,
    HarmonizeWarning,
    InputError,
    IntegrityError,
    TableError,
    UnseenSiteError,
)


def fit(table: FeatureTable, **choices: Any) -> Any:
    return ComBatHarmonizer(ComBatConfig(**choices)).fit(table)


def with_column(table: FeatureTable, **columns: Any) -> FeatureTable:
    return replace(table, covariates=table.covariates.assign(**columns))


def with_cell(table: FeatureTable, row: int, column: int, value: float) -> FeatureTable:
    values = table.values.copy()
    values[row, column] = value
    return table.with_values(values)


def with_site(table: FeatureTable, name: str, rows: list[int]) -> FeatureTable:
    site = table.covariates["site"].copy()
    site.iloc[rows] = name
    return with_column(table, site=site)


def test_an_infinite_cell_is_named(table: FeatureTable) -> None:
    with pytest.raises(TableError, match=r"infinite one at id 'sub-007', column 'f03'"):
        fit(with_cell(table, 7, 3, np.inf))


def test_a_site_of_one_case_has_its_mean_corrected_alone(table: FeatureTable) -> None:
    lonely = with_site(table, "lonely", [0])
    with pytest.warns(HarmonizeWarning, match="one case only at 'lonely'"):
        fitted = fit(lonely, preserve="age")
    code = fitted.sites.index("lonely")
    np.testing.assert_array_equal(fitted.scale[code], 1.0)
    assert (fitted.scale[: code - 1] != 1.0).all()
    got = fitted.apply(lonely).values
    assert np.isfinite(got).all()
    # As in sva, were every site of one case: the mean-only estimate of that site.
    g = (table.values[0] - fitted.grand_mean) / fitted.pooled_sd
    g -= fitted.design.matrix(lonely.covariates)[0] @ fitted.coefficients / fitted.pooled_sd
    expected = (g.var(ddof=1) * g + g.mean()) / (g.var(ddof=1) + 1)
    np.testing.assert_allclose(fitted.location[code], expected, rtol=1e-9)
    assert np.isfinite(fit(lonely, mean_only=True).apply(lonely).values).all()


def test_a_site_of_one_case_is_never_moved_wholly(table: FeatureTable) -> None:
    lonely = with_site(table, "lonely", [0])
    for choices in ({}, {"mean_only": True}):
        with pytest.raises(DesignError, match=r"'lonely'.*nothing of it be left"):
            fit(lonely, empirical_bayes=False, **choices)
    with pytest.raises(DesignError, match="reference 'lonely' has one case"):
        fit(lonely, reference="lonely")


def test_a_site_of_two_cases_is_fitted_and_said(table: FeatureTable) -> None:
    pair = with_site(table, "pair", [0, 1])
    with pytest.warns(HarmonizeWarning, match=r"fewer than 5 cases at 'pair' \(2\)"):
        fitted = fit(pair)
    assert np.isfinite(fitted.apply(pair).values).all()


def test_covariates_that_hardly_overlap_are_told_with_figures(table: FeatureTable) -> None:
    in_c = (table.covariates["site"] == "C").to_numpy()
    age = table.number("age").to_numpy() + 55 * in_c
    apart = with_column(table, age=age)
    with pytest.warns(HarmonizeWarning, match=r"'age' of site 'C' \(\d+.* lies for \d+%"):
        fit(apart, preserve="age")
    dx = np.where(in_c & (np.arange(len(age)) % 2 == 0), "AD", "CN")
    with pytest.warns(HarmonizeWarning, match=r"level 'AD' of 'dx' occurs at site 'C' only"):
        fit(with_column(table, dx=dx), preserve="dx")


def test_cases_far_beyond_the_training_range_are_named(table: FeatureTable) -> None:
    fitted = fit(table, preserve="age")
    age = table.covariates["age"].copy()
    age.iloc[3] = "110"
    with pytest.warns(HarmonizeWarning, match=r"'age' lies far beyond .* at id 'sub-003';"):
        fitted.apply(with_column(table, age=age))


def test_one_site_has_no_site_effect(table: FeatureTable) -> None:
    with pytest.raises(DesignError, match="at least two sites"):
        fit(with_column(table, site="A"))


def test_a_covariate_equal_to_site_is_confounded(table: FeatureTable) -> None:
    scanner = table.covariates["site"].map({"A": "x", "B": "y", "C": "x"})
    with pytest.raises(DesignError, match=r"scanner.*determined by 'site'"):
        fit(with_column(table, scanner=scanner), preserve="scanner")


def test_a_covariate_that_is_nearly_the_site_is_confounded(table: FeatureTable) -> None:
    near = (table.covariates["site"] == "A") + 1e-10 * np.arange(len(table.ids))
    with pytest.raises(DesignError, match="determined by"):
        fit(with_column(table, near=near), preserve="near")


def test_collinear_covariates_are_named(table: FeatureTable) -> None:
    months = table.number("age") * 12
    with pytest.raises(DesignError, match=r"'months' is a combination of 'site' and 'age'"):
        fit(with_column(table, months=months), preserve="age + months")


def test_a_constant_covariate_is_named(table: FeatureTable) -> None:
    with pytest.raises(DesignError, match=r"'field' has the same value"):
        fit(with_column(table, field="3"), preserve="field")


def test_more_parameters_than_cases(table: FeatureTable) -> None:
    few = table.select(table.ids[:8])
    with pytest.raises(DesignError, match="more cases than parameters"):
        fit(few, preserve="age * sex + I(age**2) + I(age**3)")


def test_misspelt_names_are_hinted(table: FeatureTable) -> None:
    with pytest.raises(CovariateError, match="Did you mean 'site'"):
        fit(table, site="sit")
    with pytest.raises(CovariateError, match="Did you mean 'age'"):
        fit(table, preserve="agee")
    with pytest.raises(DesignError, match="'Z' is not a site"):
        fit(table, reference="Z")
    with pytest.raises(CovariateError, match="declared categorical"):
        fit(table, preserve="age", categorical=("sex",))


def test_a_missing_covariate_is_named_by_id(table: FeatureTable) -> None:
    age = table.covariates["age"].copy()
    age.iloc[4] = "n/a"
    with pytest.raises(CovariateError, match="sub-004"):
        fit(with_column(table, age=age), preserve="age")


def test_an_unseen_site_is_named(table: FeatureTable) -> None:
    new = with_column(table, site="D")
    with pytest.raises(UnseenSiteError, match=r"A, B, C, got 'D'"):
        fit(table).apply(new)


def test_an_unknown_level_is_named(table: FeatureTable) -> None:
    fitted = fit(table, preserve="sex")
    with pytest.raises(CovariateError, match=r"levels F, M, got 'X'"):
        fitted.apply(with_column(table, sex="X"))


def test_a_missing_feature_is_named_and_an_extra_one_left_out(table: FeatureTable) -> None:
    fitted = fit(table)
    with pytest.raises(TableError, match="'f02'"):
        fitted.apply(replace(table, features=table.features.drop(columns="f02")))
    more = replace(table, features=table.features.assign(new=1.0))
    with pytest.warns(HarmonizeWarning, match="'new'"):
        assert fitted.apply(more).names == table.names


def test_a_missing_cell_at_apply_stays_missing_and_alone(table: FeatureTable) -> None:
    fitted = fit(table, preserve="age")
    got = fitted.apply(with_cell(table, 2, 1, np.nan)).values
    assert np.isnan(got).sum() == 1
    assert np.isnan(got[2, 1])


def test_constant_features_pass_through_and_touch_no_other(table: FeatureTable) -> None:
    """A feature constant everywhere, or in one site, is returned as it came and is said."""
    in_a = (table.covariates["site"] == "A").to_numpy()
    flat = table.features.assign(
        everywhere=4.0, in_one=np.where(in_a, 2.5, table.features["f00"].to_numpy())
    )
    expected = fit(table).apply(table).features
    mixed = replace(table, features=flat)
    with pytest.warns(HarmonizeWarning, match="everywhere, in_one"):
        fitted = fit(mixed)
    got = fitted.apply(mixed).features
    pd.testing.assert_frame_equal(got[table.names], expected)
    pd.testing.assert_frame_equal(got[["everywhere", "in_one"]], flat[["everywhere", "in_one"]])


def test_one_feature_cannot_be_shrunken(table: FeatureTable) -> None:
    single = replace(table, features=table.features[["f00"]])
    with pytest.raises(TableError, match="--no-eb"):
        fit(single)
    assert np.isfinite(fit(single, empirical_bayes=False).apply(single).values).all()


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('true')", "{__import__('os')}", "np.log(age)", "age.real + 1",
        "y ~ age", "age +", "age - 1", "(lambda: 1)()", "I([x for x in (1, 2)])", "age['x']",
        "bs(age, df=4)", "exp(age, base=2)", "I(open('x'))", "age + age**2", "age^2", "1", "~",
        "(age + sex)**40", "I(9**9**9)", "I(age**99)", "Intercept + age", "log(-age)", "I(True)",
        "age + " * 500 + "age",
    ],
)  # fmt: skip
def test_a_formula_is_names_and_arithmetic_only(table: FeatureTable, formula: str) -> None:
    with pytest.raises(InputError):
        fit(table, preserve=formula)


def test_a_tampered_formula_in_a_model_runs_nothing(table: FeatureTable) -> None:
    document, arrays = to_document(fit(table, preserve="age"))
    document["formula"] = "I(__import__('os').getpid())"
    with pytest.raises(InputError):
        from_document(document, arrays)


def test_a_model_with_a_wrong_shape_is_refused(table: FeatureTable) -> None:
    document, arrays = to_document(fit(table))
    with pytest.raises(IntegrityError, match="location"):
        from_document(document, {**arrays, "location": arrays["location"][:, :2]})


def test_lists_formulas_and_quotes_read_alike() -> None:
    assert parse_formula("age,sex") == parse_formula("~ age + sex")
    assert parse_formula("age, my score").columns == ("age", "my score")
    assert parse_formula("C(sex) + age").categorical == {"sex"}
    assert parse_formula(None).columns == ()


def test_numbers_declared_categorical_get_levels(table: FeatureTable) -> None:
    grade = (np.arange(len(table.ids)) % 3).astype(str)
    graded = with_column(table, grade=grade)
    assert fit(graded, preserve="grade").design.names == ("grade",)
    names = fit(graded, preserve="grade", categorical=("grade",)).design.names
    assert names == ("grade[T.1]", "grade[T.2]")
    assert fit(graded, preserve="C(grade)").design.names == names


def test_columns_of_any_name_are_preserved(table: FeatureTable) -> None:
    odd = with_column(table, **{"age (years)": table.covariates["age"]})
    assert fit(odd, preserve="age (years),sex").design.names == ("age (years)", "sex[T.M]")


def test_white_space_makes_no_site_and_na_no_level(table: FeatureTable) -> None:
    site = table.covariates["site"].copy()
    site.iloc[0] = f"{site.iloc[0]} "
    assert fit(with_column(table, site=site)).sites == ("A", "B", "C")
    sex = table.covariates["sex"].copy()
    sex.iloc[2] = "NA"
    with pytest.raises(CovariateError, match="sub-002"):
        fit(with_column(table, sex=sex), preserve="sex")


def test_a_site_of_one_case_is_not_stored_as_it_was(table: FeatureTable) -> None:
    fitted = fit(with_site(table, "lonely", [0]), mean_only=True)
    code = fitted.sites.index("lonely")
    restored = fitted.raw_location[code] * fitted.pooled_sd + fitted.grand_mean
    assert np.abs(restored - table.values[0]).max() > 1e-3
