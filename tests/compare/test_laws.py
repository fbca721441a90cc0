"""What the judge as a whole must say where the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from harmonize_kit.compare import compare
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import CovariateError
from harmonize_kit.phantom import simulate_table

MakeTable = Callable[..., FeatureTable]
LINEAR, NONLINEAR = "site_balanced_accuracy_linear", "site_balanced_accuracy_nonlinear"


@dataclass(frozen=True)
class LocationScale:
    """Brings every site to one mean and spread, whoever was scanned there."""

    means: Any = None
    spreads: Any = None

    def fit(self, table: FeatureTable) -> LocationScale:
        by_site = table.features.groupby(table.text("site").to_numpy())
        return LocationScale(by_site.mean(), by_site.std())

    def apply(self, table: FeatureTable) -> FeatureTable:
        sites = table.text("site").tolist()
        mean, spread = (part.loc[sites].to_numpy() for part in (self.means, self.spreads))
        return table.with_values((table.values - mean) / spread)


def score(card: Scorecard, candidate: str, metric: str, target: str | None = None) -> Score:
    found = card.find(candidate, metric, target)
    assert found is not None, metric
    return found


def test_raw_is_below_location_scale_and_that_below_the_true_inverse():
    # Sites differ in age, so matching their means takes some of age with it.
    phantom = simulate_table(
        TablePhantomConfig(subjects=200, sites=4, features=16, confounding=0.6), 3
    )
    raw = phantom.raw
    card = compare(
        {"raw": raw, "matched": LocationScale(), "inverse": phantom.undo_site(raw)},
        site="site", biology=["age", "sex"], table=raw, truth=phantom.truth,
        config=CompareConfig(permutations=19, bootstraps=20),
    )  # fmt: skip
    points = {point["candidate"]: point for point in card.about["plane"]["points"]}
    assert points["raw"]["removal"] < points["matched"]["removal"] - 0.1
    assert points["inverse"]["removal"] > points["matched"]["removal"] - 0.1
    kept = {name: score(card, name, "planted_effect_concordance", "age").value for name in points}
    assert kept["matched"] < kept["inverse"] - 0.02
    agreed = {name: score(card, name, "planted_feature_agreement") for name in points}
    assert agreed["raw"].value < agreed["inverse"].value
    for found in agreed.values():
        assert found.interval is not None
        assert found.interval[0] <= found.value <= found.interval[1]
    front = [name for name, point in points.items() if point["front"]]
    assert "inverse" in front
    assert "raw" not in front


def test_a_site_effect_of_covariance_alone_is_missed_by_one_probe_and_found_by_the_other(
    table_of: MakeTable, quick: CompareConfig
):
    rng = np.random.default_rng(2)
    site = np.arange(240) % 2
    factor = rng.normal(size=(240, 1))
    sign = np.where(site == 0, 1.0, -1.0)[:, None]
    values = rng.normal(size=(240, 8))
    values += 1.5 * np.hstack([factor.repeat(4, 1), (sign * factor).repeat(4, 1)])
    raw = table_of(values, site)
    card = compare({"raw": raw}, site="site", config=quick)
    linear, nonlinear = (score(card, "raw", metric) for metric in (LINEAR, NONLINEAR))
    assert linear.null is not None
    assert nonlinear.null is not None
    assert linear.value <= linear.null.high
    assert nonlinear.value > nonlinear.null.high + 0.1
    for metric in ("site_significant_fraction", "site_scale_significant_fraction"):
        assert score(card, "raw", metric).value == 0
    covariance = score(card, "raw", "site_covariance_distance_mean")
    assert covariance.null is not None
    assert covariance.value > covariance.null.high


def test_a_constant_table_is_nowhere_better_than_the_raw_one(
    planted: tuple[FeatureTable, FeatureTable],
    quick: CompareConfig,
    set_constant: Callable[..., Any],
):
    raw, clean = planted
    people = [f"p{row // 2}" for row in range(len(raw.ids))]
    columns = raw.covariates.assign(person=people)
    raw, clean = (FeatureTable(table.features, columns) for table in (raw, clean))
    card = compare(
        {"raw": raw, "constant": set_constant()},
        site="site", biology=["age", "sex"], outcome="sex", subject="person", table=raw,
        truth=clean, config=quick,
    )  # fmt: skip
    own = [found for found in card if found.candidate == "constant"]
    better: list[str] = []
    for found in own:
        before = card.find("raw", found.metric, found.target)
        if before is None:
            continue
        sign = 1 if found.higher_is_better else -1
        if sign * (found.value - before.value) > 1e-9:
            better.append(found.metric)
    assert better == []
    alone = {found.metric: found.value for found in own if card.find("raw", found.metric) is None}
    assert alone == {
        "control_unneeded_change": 1.0,
        "control_planted_removed": 0.0,
        "control_marker_kept": 0.0,
    }
    assert {"within_subject_share", "curve_distance", "mae", "new_site_mae"} <= {
        found.metric for found in own if not found.higher_is_better
    }


def test_false_discoveries_of_the_card_are_nominal(table_of: MakeTable):
    config = CompareConfig(permutations=0, bootstraps=0, folds=50)  # no cross-validation either
    wrong: list[float] = []
    planted = np.arange(20) < 10
    for seed in range(40):
        rng = np.random.default_rng(seed)
        site = np.arange(45) % 3
        values = rng.normal(size=(45, 20))
        values[:, planted] += rng.normal(size=(3, 10))[site]
        card = compare({"raw": table_of(values, site)}, site="site", config=config)
        hit = card.features["raw"]["q"].to_numpy() < config.significance
        planted_here = np.array([int(name[1:]) < 10 for name in card.features["raw"].index])
        wrong.append(float(np.mean(~planted_here[hit])) if hit.any() else 0.0)
    assert 0.002 < np.mean(wrong) < 0.06


@dataclass(frozen=True)
class KnowsLevels:
    """Refuses a level of ``group`` that it was not fitted on, as what preserves it does."""

    known: frozenset[str] = field(default_factory=frozenset[str])

    def fit(self, table: FeatureTable) -> KnowsLevels:
        return KnowsLevels(frozenset(table.text("group")))

    def apply(self, table: FeatureTable) -> FeatureTable:
        if unknown := set(table.text("group")) - self.known:
            raise CovariateError(f"level '{unknown.pop()}' was not seen in training")
        return table


@pytest.mark.parametrize("rare", [3, 1])
def test_levels_are_in_every_training_set_or_named_with_what_to_do(
    table_of: MakeTable, quick: CompareConfig, rare: int
):
    rng = np.random.default_rng(1)
    group = np.where(np.arange(80) // 2 % 2 == 0, "a", "b")
    # By chance of this seed, the first cases of the third fold.
    plain = compare_folds(80)
    group[plain[:rare]] = "c"
    raw = table_of(rng.normal(size=(80, 6)), np.arange(80) % 2, {"group": group})

    def run() -> Scorecard:
        return compare(
            {"knows": KnowsLevels()}, site="site", biology=["group"], table=raw, config=quick
        )

    if rare > 1:
        assert score(run(), "knows", "auc", "group").value > 0
        return
    with pytest.raises(CovariateError, match="level 'c'") as caught:
        run()
    told = " ".join(caught.value.__notes__)
    assert "'c' of 'group'" in told
    assert "leave those cases out" in told


def compare_folds(n: int) -> np.ndarray:
    """Return the cases of one fold as they fall where no level is rare."""
    from harmonize_kit.compare.folds import cross_validation

    split = cross_validation(np.arange(n) % 2, np.arange(n), 5, 0)
    assert split is not None
    return split.folds[2].test
