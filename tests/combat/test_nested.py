"""Nested ComBat: a chain of ComBats in the given order, or in the best."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.combat import ComBatHarmonizer
from harmonize_kit.combat.nested import NestedComBatHarmonizer, count_differing
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, CovariateError
from tests import laws
from tests.combat.test_anderson_darling import scipy_p
from tests.conftest import make_table

BATCHES = ("site", "kernel", "contrast")


def _batches(table: FeatureTable, seed: int = 0) -> FeatureTable:
    """Add two more batch variables, of unequal and of dependent groups, with their effects."""
    rng = np.random.default_rng(seed)
    covariates = table.covariates.copy()
    kernel = np.where(rng.random(len(table.ids)) < 0.3, "sharp", "soft")
    late = covariates["site"].to_numpy() == "A"
    contrast = np.where(rng.random(len(table.ids)) < np.where(late, 0.7, 0.3), "yes", "no")
    covariates["kernel"], covariates["contrast"] = kernel, contrast
    p = len(table.names)
    values = table.values + np.outer(kernel == "sharp", rng.normal(0, 1, p))
    values += np.outer(contrast == "yes", rng.normal(0, 1, p)) * np.abs(rng.normal(size=(1, p)))
    values[contrast == "yes"] = values[contrast == "yes"] ** 1.05
    return FeatureTable(
        pd.DataFrame(values, index=table.features.index, columns=table.names), covariates
    )


@pytest.fixture
def nested(table: FeatureTable) -> FeatureTable:
    return _batches(table)


def test_the_given_order_is_a_chain_of_combats(nested: FeatureTable) -> None:
    config = ComBatConfig(preserve="age + sex")
    order = ("contrast", "site", "kernel")
    fitted = NestedComBatHarmonizer(order, config, best_order=False).fit(nested)
    assert fitted.order == order
    expected = nested
    for batch in order:
        one = ComBatHarmonizer(config.model_copy(update={"site": batch})).fit(expected)
        expected = one.apply(expected)
    np.testing.assert_array_equal(fitted.apply(nested).values, expected.values)


def test_order_changes_the_result(nested: FeatureTable) -> None:
    """Otherwise there would be nothing to choose."""
    given = [
        NestedComBatHarmonizer(order, best_order=False).fit(nested).apply(nested).values
        for order in (BATCHES, BATCHES[::-1])
    ]
    assert np.abs(given[0] - given[1]).max() > 1e-3


def test_the_best_order_leaves_the_fewest_features_differing() -> None:
    """Against every order tried by itself and judged by scipy, a feature at a time."""
    table = _batches(make_table(3, n=60, p=14), 3)
    counts: dict[tuple[str, ...], int] = {}
    for order in permutations(BATCHES):
        left = NestedComBatHarmonizer(order, best_order=False).fit(table).apply(table)
        counts[order] = sum(
            scipy_p(column, np.unique(left.covariates[batch], return_inverse=True)[1]) < 0.05
            for batch in BATCHES
            for column in left.values.T
        )
        assert count_differing(left, BATCHES) == counts[order]
    assert len(set(counts.values())) > 1
    best = NestedComBatHarmonizer(BATCHES).fit(table).order
    assert best == min(counts, key=lambda order: counts[order])


def test_nested_keeps_the_laws(nested: FeatureTable) -> None:
    for law in laws.ALL:
        law(NestedComBatHarmonizer(("site", "kernel")), nested)


def test_cells_that_are_missing_are_left_out_of_the_test(nested: FeatureTable) -> None:
    features = nested.features.copy()
    features.iloc[:7, 0] = np.nan
    holed = FeatureTable(features, nested.covariates)
    known = FeatureTable(features.iloc[7:, [0]], nested.covariates.iloc[7:])
    rest = FeatureTable(features.iloc[:, 1:], nested.covariates)
    expected = count_differing(known, BATCHES) + count_differing(rest, BATCHES)
    assert count_differing(holed, BATCHES) == expected


def test_refusals(nested: FeatureTable) -> None:
    for batches in ((), ("site",), ("site", "site")):
        with pytest.raises(ConfigError, match="two or more different batch variables"):
            NestedComBatHarmonizer(batches).fit(nested)
    with pytest.raises(ConfigError, match="every order of at most 6"):
        NestedComBatHarmonizer(tuple("abcdefg")).fit(nested)
    with pytest.raises(ConfigError, match="no reference"):
        NestedComBatHarmonizer(BATCHES, ComBatConfig(reference="A")).fit(nested)
    with pytest.raises(CovariateError, match="no column 'scanner'"):
        NestedComBatHarmonizer(("site", "scanner")).fit(nested)
