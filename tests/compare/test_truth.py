"""Where the truth is known, effects are held against those that were planted."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.compare import compare
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.errors import TableError
from harmonize_kit.phantom import TablePhantom, simulate_table


@pytest.fixture(scope="module")
def phantom() -> TablePhantom:
    return simulate_table(TablePhantomConfig(subjects=240, features=20, confounding=0.4), 4)


def test_the_true_table_keeps_all_and_a_method_that_removes_age_nothing(
    phantom: TablePhantom, quick: CompareConfig
):
    raw = phantom.raw
    age = raw.number("age").to_numpy(dtype=np.float64)
    rows = np.column_stack([np.ones(len(age)), age, age**2, age**3])
    aged = raw.with_values(raw.values - rows @ (np.linalg.pinv(rows) @ raw.values))
    card = compare(
        {"raw": raw, "true": phantom.truth, "aged": aged}, site="site", biology=["age", "sex"],
        truth=phantom.truth, config=quick,
    )  # fmt: skip
    found = {
        name: [
            card.find(name, f"planted_{metric}", "age")
            for metric in ("effect_concordance", "effect_slope", "curve_distance")
        ]
        for name in ("raw", "true", "aged")
    }
    values = {name: [s.value for s in scores if s is not None] for name, scores in found.items()}
    np.testing.assert_allclose(values["true"], [1, 1, 0], atol=1e-9)
    assert values["raw"][0] < 0.95
    assert abs(values["aged"][1]) < 0.1
    assert values["aged"][2] > values["raw"][2] > 0
    concordance, _, distance = found["raw"]
    assert concordance is not None
    assert distance is not None
    assert concordance.higher_is_better
    assert not distance.higher_is_better
    assert concordance.interval is not None
    assert concordance.interval[0] < concordance.value < concordance.interval[1]


def test_without_a_truth_nothing_is_said_of_it(phantom: TablePhantom, quick: CompareConfig):
    card = compare({"raw": phantom.raw}, site="site", biology=["age"], config=quick)
    assert not [score for score in card if score.metric.startswith("planted_")]


def test_a_truth_of_other_cases_or_features_is_refused(phantom: TablePhantom, quick: CompareConfig):
    fewer = phantom.truth.select(phantom.truth.ids[1:])
    with pytest.raises(TableError, match=phantom.truth.ids[0]):
        compare({"raw": phantom.raw}, site="site", truth=fewer, config=quick)
