"""What a harmonizer is told of a held-out case must not be found in its features unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from harmonize_kit.compare import compare
from harmonize_kit.compare.folds import cross_validation
from harmonize_kit.compare.leak import exchange
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.harmonizer import IdentityHarmonizer
from harmonize_kit.core.table import FeatureTable

Pair = tuple[FeatureTable, FeatureTable]
MakeTable = Callable[..., FeatureTable]


@dataclass(frozen=True)
class WritesBiology:
    """Adds to some features what it is told of a case."""

    size: float

    def fit(self, table: FeatureTable) -> WritesBiology:
        return self

    def apply(self, table: FeatureTable) -> FeatureTable:
        age = table.number("age").to_numpy(dtype=np.float64)
        male = (table.text("sex") == "M").to_numpy(dtype=np.float64)
        values = table.values.copy()
        values[:, 0] += self.size * age
        values[:, 1] += 40 * self.size * male
        return table.with_values(values)


def test_each_case_is_given_another_of_its_site_and_fold():
    site = np.arange(60) % 4
    split = cross_validation(site, np.arange(60), 5, 0)
    assert split is not None
    folds = [fold.test for fold in split.folds]
    order = exchange(site, folds, 0)
    assert sorted(order) == list(range(60))
    assert (site[order] == site).all()
    assert (order != np.arange(60)).all()  # there are three of each site in every fold
    for test in folds:
        assert set(order[test]) == set(test)


def test_what_is_written_into_features_is_found_and_warned_of(
    planted: Pair, quick: CompareConfig, table_of: MakeTable
):
    raw = planted[0]
    noise = np.random.default_rng(0).normal(size=raw.values.shape)
    blank = raw.with_values(noise)
    card = compare(
        {"raw": blank, "writes": WritesBiology(0.2), "idle": IdentityHarmonizer()},
        site="site", biology=["age", "sex"], table=blank, config=quick,
    )  # fmt: skip
    for metric, target, least in (("r2", "age", 0.6), ("auc", "sex", 0.9)):
        leak = card.find("writes", f"control_leak_{metric}", target)
        idle = card.find("idle", f"control_leak_{metric}", target)
        assert leak is not None
        assert idle is not None
        assert leak.value > least
        assert not leak.higher_is_better
        assert leak.null is not None
        assert leak.null.high < least - 0.2
        assert idle.null is not None
        assert idle.value < idle.null.high + 0.15
        assert card.find("raw", f"control_leak_{metric}", target) is None
    told = [text for text in card.about["warnings"] if "into the features" in text]
    assert len(told) == 2
    assert all("'writes'" in text for text in told)


@pytest.mark.parametrize("biology", [[], ["age"]])
def test_biology_the_features_hold_themselves_is_no_leak(
    planted: Pair, quick: CompareConfig, biology: list[str]
):
    clean = planted[1]
    card = compare(
        {"idle": IdentityHarmonizer()}, site="site", biology=biology, outcome="sex", table=clean,
        config=quick,
    )  # fmt: skip
    prediction, leak = (card.find("idle", metric, "sex") for metric in ("auc", "control_leak_auc"))
    assert prediction is not None
    assert leak is not None
    assert prediction.value > 0.9
    assert leak.value < 0.65
