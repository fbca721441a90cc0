"""Sums made block by block are those of all cases, and so is what follows from them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import make_table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonize_kit.combat import ComBatHarmonizer, fit_from_sums, read_setting, sum_block
from harmonize_kit.combat.block_sums import BlockSums
from harmonize_kit.combat.effects import estimate_effects
from harmonize_kit.combat.fit_from_sums import require_sums_suffice
from harmonize_kit.combat.setting import Setting
from harmonize_kit.config.combat import ComBatConfig, CovBatConfig, NestedComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError

CONFIG = ComBatConfig(preserve="age + sex")


def holed(table: FeatureTable, share: float, seed: int = 0) -> FeatureTable:
    values = table.values.copy()
    values[np.random.default_rng(seed).uniform(size=values.shape) < share] = np.nan
    return table.with_values(values)


def added(
    values: NDArray[Any], setting: Setting, cuts: list[int], order: list[int] | None = None
) -> BlockSums:
    edges = sorted({0, *cuts, len(values)})
    parts = [
        sum_block(values[a:b], setting.codes[a:b], setting.covariates[a:b], len(setting.sites))
        for a, b in pairwise(edges)
    ]
    parts = [parts[at] for at in order] if order else parts
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.0, 0.02, 0.3]),
    cuts=st.lists(st.integers(1, 59), max_size=6),
)
def test_blocks_of_cases_give_the_sums_of_all(seed: int, share: float, cuts: list[int]) -> None:
    table = holed(make_table(seed, n=60, p=7), share, seed)
    setting = read_setting(CONFIG, table)
    whole, parts = added(table.values, setting, []), added(table.values, setting, cuts)
    np.testing.assert_array_equal(parts.gaps, np.isnan(table.values).any(axis=0))
    for (columns, first), (others, second) in zip(
        whole.by_feature(0), parts.by_feature(0), strict=True
    ):
        np.testing.assert_array_equal(columns, others)
        for one, other in zip(first, second, strict=True):
            for name in ("count", "covariate_mean", "feature_mean", "gram", "cross", "squares"):
                np.testing.assert_allclose(
                    getattr(other, name), getattr(one, name), rtol=1e-10, atol=1e-9, err_msg=name
                )


def test_a_gap_that_shows_late_moves_the_feature_with_all_its_cases() -> None:
    table = make_table(3, n=60, p=5)
    values = table.values.copy()
    values[55, 2] = values[10, 4] = np.nan
    setting = read_setting(CONFIG, table)
    effects = estimate_effects(
        values, setting.rows, setting.covariates, reference=None, mean_only=setting.mean_only
    )
    fitted = fit_from_sums(
        CONFIG.model_copy(update={"empirical_bayes": False}), setting, table, table.names,
        added(values, setting, [20, 40], [2, 0, 1]).by_feature(0),
    )  # fmt: skip
    np.testing.assert_allclose(fitted.location, effects.location, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fitted.scale, effects.scale, rtol=1e-10)


def test_sums_survive_being_kept() -> None:
    table = holed(make_table(1, n=30, p=4), 0.1)
    setting = read_setting(CONFIG, table)
    # The first rows lack a site.
    sums = sum_block(table.values[:2], setting.codes[:2], setting.covariates[:2], 3)
    again = BlockSums.from_arrays(sums.to_arrays())
    assert [one is None for one in again.complete] == [one is None for one in sums.complete]
    for one, other in zip(again.complete, sums.complete, strict=True):
        if one is not None and other is not None:
            assert one.count == other.count
            np.testing.assert_array_equal(one.cross, other.cross)


def test_sums_of_float32_are_made_in_float64() -> None:
    """A mean far from zero leaves a variance that float32 products would have lost."""
    rng = np.random.default_rng(0)
    values = (1e4 + rng.normal(0, 1, (90, 3))).astype(np.float32)
    table = make_table()
    setting = read_setting(CONFIG, table)
    sums = added(values, setting, [30])
    single = sums.complete[0]
    assert single is not None
    own = values[setting.rows[0]].astype(np.float64)
    np.testing.assert_allclose(single.squares, ((own - own.mean(axis=0)) ** 2).sum(axis=0))


@pytest.mark.parametrize(
    "choices",
    [{}, {"reference": "B"}, {"mean_only": True}, {"empirical_bayes": False},
     {"parametric": False}, {"smooth": ("age",), "preserve": "sex"}],
    ids=["plain", "reference", "mean only", "no eb", "nonparametric", "gam"],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.0, 0.02])
def test_the_fit_is_that_in_memory(choices: dict[str, Any], share: float) -> None:
    table = holed(make_table(7, n=120), share)
    config = CONFIG.model_copy(update=choices)
    expected = ComBatHarmonizer(config).fit(table)
    setting = read_setting(config, table)
    sums = added(table.values, setting, [17, 50, 51])
    fitted = fit_from_sums(config, setting, table, table.names, sums.by_feature(0))
    assert fitted.features == expected.features
    for name in ("grand_mean", "pooled_sd", "coefficients", "location", "scale", "raw_scale"):
        np.testing.assert_allclose(
            getattr(fitted, name), getattr(expected, name), rtol=1e-10, atol=1e-10, err_msg=name
        )


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CovBatConfig(), "CovBat"),
        (NestedComBatConfig(batches=("a", "b")), "Nested"),
        (ComBatConfig(robust=True), "robust"),
        (ComBatConfig(smooth=("age",), smoothing="neuroharmonize"), "neuroHarmonize"),
    ],
)
def test_methods_that_need_the_cases_are_refused(config: ComBatConfig, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        require_sums_suffice(config)
