"""Negative controls tell a harmonizer that is right from one that does nothing or too much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.compare import compare
from harmonize_kit.compare.controls import planted_detection
from harmonize_kit.compare.resampling import site_permutations
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.harmonizer import IdentityHarmonizer
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import DesignError


@dataclass(frozen=True)
class Blur:
    """Pulls every case four fifths of the way to its site's mean: much more than the site goes."""

    def fit(self, table: FeatureTable) -> Blur:
        return self

    def apply(self, table: FeatureTable) -> FeatureTable:
        means = table.features.groupby(table.text("site").to_numpy()).transform("mean").to_numpy()
        rng = np.random.default_rng(0)
        noise = rng.normal(size=table.values.shape) * table.values.std(axis=0)
        return table.with_values(table.values - means + noise)


@dataclass(frozen=True)
class Rescale:
    """Changes units, and nothing else."""

    def fit(self, table: FeatureTable) -> Rescale:
        return self

    def apply(self, table: FeatureTable) -> FeatureTable:
        return table.with_values(1000 * table.values - 3)


def value(card: Scorecard, candidate: str, metric: str) -> float:
    found = card.find(candidate, metric)
    assert found is not None, metric
    return found.value


@dataclass(frozen=True)
class Centre:
    """Matches the means of the sites."""

    def fit(self, table: FeatureTable) -> Centre:
        return self

    def apply(self, table: FeatureTable) -> FeatureTable:
        means = table.features.groupby(table.text("site").to_numpy()).transform("mean").to_numpy()
        return table.with_values(table.values - means)


def raw_table() -> FeatureTable:
    """Three sites with a shift, and age in every feature."""
    rng = np.random.default_rng(7)
    ids = [f"c{row:03d}" for row in range(120)]
    site, age = np.arange(120) % 3, rng.uniform(20, 80, 120)
    values = rng.normal(size=(120, 24)) + rng.normal(size=(3, 24))[site] + 0.03 * age[:, None]
    columns = pd.DataFrame({"site": [f"s{code}" for code in site], "age": age}, index=ids)
    return FeatureTable(pd.DataFrame(values, index=ids).add_prefix("f"), columns)


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return compare(
        {
            "identity": IdentityHarmonizer(),
            "centred": Centre(),
            "blurred": Blur(),
            "rescaled": Rescale(),
        },
        site="site",
        biology=["age"],
        table=raw_table(),
        config=CompareConfig(permutations=39, bootstraps=20),
    )


def test_what_changes_nothing_removes_nothing(card: Scorecard):
    for name in ("identity", "rescaled"):
        assert value(card, name, "control_unneeded_change") == pytest.approx(0, abs=1e-9)
        assert value(card, name, "control_planted_removed") == pytest.approx(0, abs=1e-9)
        assert value(card, name, "control_marker_kept") == pytest.approx(1)
        assert not any(t.startswith(f"candidate '{name}'") for t in card.about["warnings"])


def test_matching_means_removes_the_planted_shift_and_keeps_the_marker(card: Scorecard):
    # Two of 119 degrees of freedom go with the means, which is what chance makes them explain.
    assert 0 < value(card, "centred", "control_unneeded_change") < 0.04
    assert value(card, "centred", "control_planted_removed") == pytest.approx(1, abs=1e-9)
    assert value(card, "centred", "control_marker_kept") == pytest.approx(1, abs=0.01)
    assert not any("'centred'" in text and "removes" in text for text in card.about["warnings"])


def test_every_control_has_an_interval_that_holds_it(card: Scorecard):
    found = [score for score in card if score.metric.startswith("control_")]
    assert {score.metric for score in found if score.candidate == "centred"} > {
        "control_unneeded_change", "control_planted_removed", "control_marker_kept",
        "control_false_alarms", "control_planted_found", "control_false_discoveries",
    }  # fmt: skip
    for score in found:
        if score.metric.startswith("control_leak"):
            continue  # that has a null instead
        assert score.interval is not None, score.metric
        assert score.interval[0] - 1e-9 <= score.value <= score.interval[1] + 1e-9, score
    kept = card.find("centred", "control_marker_kept")
    assert kept is not None
    assert kept.interval is not None
    assert 0 < kept.interval[1] - kept.interval[0] < 0.1


def test_a_method_that_destroys_is_told_from_one_that_harmonizes(card: Scorecard):
    assert value(card, "blurred", "control_unneeded_change") > 0.3
    assert value(card, "blurred", "control_planted_removed") > 0.9
    assert value(card, "blurred", "control_marker_kept") < 0.8
    assert any("'blurred'" in t and "more than the site" in t for t in card.about["warnings"])


def test_the_judge_finds_what_is_planted_and_little_else():
    rng = np.random.default_rng(0)
    site = np.arange(150) % 3
    values = rng.normal(size=(150, 60)) + 3 * rng.normal(size=(3, 60))[site]
    orders = site_permutations(site, np.arange(150), 40, 0)
    found = planted_detection(values, site, np.empty((150, 0)), orders, 0, 0.05)
    assert found["control_planted_found"].value > 0.6
    assert found["control_false_discoveries"].value < 0.06
    assert planted_detection(values, site, np.empty((150, 0)), orders[:0], 0, 0.05) == {}


def test_false_alarms_are_at_their_level(card: Scorecard):
    assert value(card, "identity", "control_false_alarms") <= 0.2  # of 39 draws


def test_a_refit_that_fails_is_named_and_stops_nothing(quick: CompareConfig):
    class Once(IdentityHarmonizer):
        def fit(self, table: FeatureTable) -> IdentityHarmonizer:
            if len(table.ids) == 120 and not table.values[0, 0] == raw.values[0, 0]:
                raise DesignError("these values were planted")
            return self

    raw = raw_table()
    card = compare({"once": Once()}, site="site", table=raw, config=quick)
    assert card.find("once", "control_planted_removed") is None
    assert any("these values were planted" in text for text in card.about["warnings"])
