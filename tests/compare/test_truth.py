"""Where the truth is known, effects are held against those that were planted."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.compare import compare
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.core.scorecard import Score
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


def test_features_too_high_or_too_low_in_all_cases_are_told_beside_their_agreement(
    quick: CompareConfig,
):
    phantom = simulate_table(TablePhantomConfig(subjects=60, features=8, shift=0.7), 4)
    truth = phantom.truth
    sign = np.where(np.arange(truth.values.shape[1]) % 4 == 0, -1, 1)  # one in four is too low
    shifted = truth.with_values(truth.values + 0.4 * sign * truth.values.std(axis=0))
    card = compare(
        {"raw": phantom.raw, "true": truth, "shifted": shifted},
        site="site", truth=truth, config=quick.model_copy(update={"permutations": 3}),
    )  # fmt: skip

    def of(name: str, metric: str) -> Score:
        found = card.find(name, f"planted_feature_{metric}", "site")
        assert found is not None
        assert found.interval is not None
        assert found.interval[0] <= found.value <= found.interval[1]
        return found

    assert [of("true", metric).value for metric in ("bias", "bias_size", "icc")] == (
        pytest.approx([0, 0, 1])
    )
    assert of("shifted", "bias").value == pytest.approx(0.4)
    assert of("shifted", "bias_size").value == pytest.approx(0.4)
    # A shift of every case by d standard deviations: 1 / (1 + d² / 2).
    assert of("shifted", "icc").value == pytest.approx(1 / (1 + 0.08), abs=5e-3)
    assert of("raw", "icc").value < of("shifted", "icc").value
    assert of("raw", "icc").higher_is_better
    assert not of("raw", "bias_size").higher_is_better
