"""A new site learned against a frozen model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harmonize_kit.combat import ComBat, ComBatHarmonizer, from_document, to_document
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import DesignError, HarmonizeWarning, UnseenSiteError


@pytest.fixture
def parts(table: FeatureTable) -> tuple[FeatureTable, FeatureTable]:
    """Cases of sites A and B, and those of C."""
    is_new = (table.covariates["site"] == "C").to_numpy()
    ids = np.array(table.ids)
    return table.select(ids[~is_new].tolist()), table.select(ids[is_new].tolist())


def fit(table: FeatureTable, **choices: Any) -> Any:
    return ComBatHarmonizer(ComBatConfig(**choices)).fit(table)


@pytest.mark.parametrize("choices", [{}, {"mean_only": True}, {"parametric": False},
                                     {"reference": "A"}])  # fmt: skip
def test_what_was_learned_stays(
    parts: tuple[FeatureTable, FeatureTable], choices: dict[str, Any]
) -> None:
    old, new = parts
    fitted = fit(old, preserve="age + sex", **choices)
    adapted = fitted.adapt(new)
    np.testing.assert_array_equal(adapted.apply(old).values, fitted.apply(old).values)
    with pytest.raises(UnseenSiteError, match="adapt"):
        fitted.apply(new)
    assert (adapted.sites, adapted.adapted) == (("A", "B", "C"), ("C",))
    again = from_document(*to_document(adapted))
    np.testing.assert_array_equal(again.apply(new).values, adapted.apply(new).values)


def test_without_shrinkage_the_new_site_ends_at_the_grand_mean(
    parts: tuple[FeatureTable, FeatureTable],
) -> None:
    old, new = parts
    fitted = fit(old, empirical_bayes=False)
    got = fitted.adapt(new).apply(new).values
    np.testing.assert_allclose(got.mean(axis=0), fitted.grand_mean, rtol=1e-10)
    np.testing.assert_allclose(got.std(axis=0, ddof=1), fitted.pooled_sd, rtol=1e-10)


def test_known_sites_take_no_part_and_are_said(
    table: FeatureTable, parts: tuple[FeatureTable, FeatureTable]
) -> None:
    old, new = parts
    fitted = fit(old)
    with pytest.warns(HarmonizeWarning, match="60 cases of sites the model knows"):
        both = fitted.adapt(table)
    np.testing.assert_array_equal(both.location, fitted.adapt(new).location)
    with pytest.raises(DesignError, match="expected a site that the model does not know"):
        fitted.adapt(old)


def test_one_case_two_cases_and_gaps(parts: tuple[FeatureTable, FeatureTable]) -> None:
    old, new = parts
    fitted = fit(old, preserve="age")
    with pytest.warns(HarmonizeWarning, match="one case only at 'C'"):
        alone = fitted.adapt(new.select(new.ids[:1]))
    np.testing.assert_array_equal(alone.scale[2], 1.0)
    with pytest.warns(HarmonizeWarning, match=r"'C' \(2\)"):
        fitted.adapt(new.select(new.ids[:2]))
    values = new.values.copy()
    values[1:, 4] = np.nan
    gap = new.with_values(values)
    with pytest.warns(HarmonizeWarning, match="1 features have too few values.*f04"):
        got = fitted.adapt(gap).apply(gap).values
    np.testing.assert_allclose(got[0, 4], values[0, 4])
    assert np.isfinite(got[:, 5]).all()


def test_the_estimator_returns_a_new_one(
    table: FeatureTable, parts: tuple[FeatureTable, FeatureTable]
) -> None:
    old, new = parts
    combat = ComBat(preserve="age").fit(old.features, covariates=table.covariates)
    adapted = combat.adapt(new.features, covariates=table.covariates)
    assert combat.model_.sites == ("A", "B")
    assert adapted.model_.sites == ("A", "B", "C")
    assert adapted.get_params() == combat.get_params()
    out = adapted.transform(table.features, covariates=table.covariates)
    np.testing.assert_allclose(
        out, fit(old, preserve="age").adapt(new).apply(table).values, rtol=1e-12
    )
