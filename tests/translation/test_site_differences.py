"""How sites differ beside the look of their images, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harmonize_kit.translation.matching import match
from harmonize_kit.translation.site_differences import (
    covariate_difference,
    covariate_differences,
    lesion_differences,
    matched_differences,
)
from harmonize_kit.translation.store import SlicedCase, open_store, write_store


def test_means_are_compared_in_pooled_standard_deviations() -> None:
    # Standard deviations 1 and 2, so the unit is the root of 2.5.
    found = covariate_difference("age", "B", "A", [49.0, 51.0], [45.0, 49.0])
    assert (found.here, found.there) == (50, 47)
    assert found.difference == pytest.approx(3 / np.sqrt(2.5))
    assert found.sentence(0.5) == (
        "age: mean 50 at site 'B' and 47 at 'A', 1.9 standard deviations apart (at most 0.5)"
    )
    swapped = covariate_difference("age", "A", "B", [45.0, 49.0], [49.0, 51.0])
    assert swapped.difference == found.difference
    scaled = covariate_difference("age", "B", "A", [490.0, 510.0], [450.0, 490.0])
    assert scaled.difference == pytest.approx(found.difference)


def test_a_site_of_one_age_differs_finitely() -> None:
    assert covariate_difference("age", "B", "A", [60.0], [40.0]).difference == 2
    assert covariate_difference("age", "B", "A", [60.0], [60.0]).difference == 0


def test_levels_are_compared_by_their_shares() -> None:
    values = {"A": ["f", "f", "m", "m"], "B": ["f", "m", "m", "m"], "C": ["f", "m"]}
    b, c = covariate_differences("sex", values, "A")
    assert (b.what, b.site, b.difference, c.difference) == ("sex f", "B", 0.25, 0.0)
    assert b.sentence(0.2) == "sex f: 25% at site 'B' and 50% at 'A' (at most 20% apart)"


def test_cases_of_the_reference_count_as_often_as_they_are_drawn() -> None:
    drawn = np.array([0.25, 0.75])
    found = covariate_difference("age", "B", "A", [47.0, 51.0], [46.0, 50.0], drawn)
    assert (found.there, found.difference, found.matched) == (49, 0, True)
    text = covariate_difference("sex", "B", "A", ["m", "m", "m", "f"], ["f", "m"], drawn)
    assert text.difference == 0
    assert "though batches are matched on it" in found.sentence(0.5)


def one(number: int, site: str, age: float, *, lesion: bool = False) -> SlicedCase:
    mask = np.ones((1, 16, 16), dtype=bool)
    marked = np.zeros_like(mask)
    marked[:, 4:6, 4:6] = lesion
    covariates: dict[str, Any] = {"age": age}
    return SlicedCase(f"{site}{number}", site, covariates, np.zeros((1, 1, 16, 16)), mask, marked)


def test_a_store_tells_lesions_and_what_matching_leaves(tmp_path: Path) -> None:
    ages = {"A": (30.0, 40.0, 60.0, 70.0), "B": (60.0, 70.0), "C": (30.0, 70.0)}
    cases = [
        one(n, site, age, lesion=site == "B" and n == 0)
        for site, listed in ages.items()
        for n, age in enumerate(listed)
    ]
    write_store(tmp_path / "store", cases, (16, 16))
    store = open_store(tmp_path / "store")
    b, c = lesion_differences(store, "A")
    assert (b.here, b.there, b.difference, c.difference) == (0.5, 0.0, 0.5, 0.0)
    plain = covariate_difference("age", "B", "A", ages["B"], ages["A"])
    b, c = matched_differences(match(store, "A", 0.2, 0))
    assert plain.difference > 1
    assert b.difference < 0.1
    # Nobody is drawn alike where the kernel is wide.
    wide, _ = matched_differences(match(store, "A", 100.0, 0))
    assert wide.difference == pytest.approx(plain.difference, abs=0.01)
