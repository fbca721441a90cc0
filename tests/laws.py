"""Laws every harmonizer of feature tables obeys; each test file states them for its own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harmonize_kit.core.harmonizer import Harmonizer
from harmonize_kit.core.table import FeatureTable


def _close(a: FeatureTable, b: FeatureTable) -> None:
    pd.testing.assert_frame_equal(a.features, b.features, rtol=1e-9, atol=1e-9)


def keeps_ids_and_columns(harmonizer: Harmonizer, table: FeatureTable) -> None:
    result = harmonizer.fit(table).apply(table)
    assert result.ids == table.ids
    assert result.names == table.names
    assert np.isfinite(result.values).all()


def is_deterministic(harmonizer: Harmonizer, table: FeatureTable) -> None:
    first, second = (harmonizer.fit(table).apply(table).values for _ in range(2))
    np.testing.assert_array_equal(first, second)


def leaves_its_input_alone(harmonizer: Harmonizer, table: FeatureTable) -> None:
    before = table.features.copy(deep=True), table.covariates.copy(deep=True)
    harmonizer.fit(table).apply(table)
    pd.testing.assert_frame_equal(table.features, before[0])
    pd.testing.assert_frame_equal(table.covariates, before[1])


def ignores_row_order(harmonizer: Harmonizer, table: FeatureTable, seed: int = 0) -> None:
    ids = [str(case) for case in np.random.default_rng(seed).permutation(table.ids)]
    whole = harmonizer.fit(table).apply(table)
    _close(harmonizer.fit(table.select(ids)).apply(table), whole)


def ignores_feature_order(harmonizer: Harmonizer, table: FeatureTable) -> None:
    names = table.names[::-1]
    turned = FeatureTable(table.features[names], table.covariates)
    whole = harmonizer.fit(table).apply(table)
    got = harmonizer.fit(turned).apply(turned)
    _close(FeatureTable(got.features[table.names], table.covariates), whole)


def follows_affine_units(harmonizer: Harmonizer, table: FeatureTable) -> None:
    """Features in other units are harmonized to the same values in those units."""
    rng = np.random.default_rng(1)
    scale = 10.0 ** rng.integers(-6, 7, len(table.names))
    offset = rng.normal(0, 3, len(table.names)) * scale
    expected = harmonizer.fit(table).apply(table).values * scale + offset
    other = table.with_values(table.values * scale + offset)
    got = harmonizer.fit(other).apply(other).values
    np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=1e-7)


def serves_single_cases(harmonizer: Harmonizer, table: FeatureTable) -> None:
    """One patient gets the same values alone as among all."""
    fitted = harmonizer.fit(table)
    whole = fitted.apply(table)
    for case in table.ids[:5]:
        _close(fitted.apply(table.select([case])), whole.select([case]))


ALL = (
    keeps_ids_and_columns,
    is_deterministic,
    leaves_its_input_alone,
    ignores_row_order,
    ignores_feature_order,
    follows_affine_units,
    serves_single_cases,
)
