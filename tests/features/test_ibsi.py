"""The digital phantom of IBSI: every code of the dictionary names the value it should."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ibsi import phantom, reference

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.feature_dictionary import describe_feature
from harmonize_kit.features import FeatureExtractor

# The three of shape are deprecated, and measured only where they are named.
SHAPES = ("Compactness1", "Compactness2", "SphericalDisproportion")


@pytest.fixture(scope="module")
def values() -> dict[str, float]:
    everything = FeatureExtractor(ExtractionConfig(setting={"binWidth": 1}))
    named = FeatureExtractor(ExtractionConfig(featureClass={"shape": list(SHAPES)}))
    volume = phantom()
    return {**everything.extract(volume, 1).values, **named.extract(volume, 1).values}


def test_every_code_gives_the_reference_value(values: dict[str, float]) -> None:
    table, proved = reference(), 0
    for name, value in values.items():
        entry = describe_feature(name)
        assert entry is not None, name
        if entry.ibsi_code:
            expected, tolerance = table[entry.ibsi_code]
            assert value == pytest.approx(expected, abs=tolerance), (name, entry.ibsi_code)
            proved += 1
    assert proved == 101


def test_each_deviation_is_what_its_note_says(values: dict[str, float]) -> None:
    table = {code: value for code, (value, _) in reference().items()}
    n_voxels = int((phantom().mask == 1).sum())  # type: ignore[operator]
    assert values["original_firstorder_Kurtosis"] - 3 == pytest.approx(table["IPH6"], abs=5e-4)
    for axis, code in (("Major", "TDIC"), ("Minor", "P9VJ"), ("Least", "7J51")):
        value = values[f"original_shape_{axis}AxisLength"]
        by_note = value / np.sqrt(1 - 1 / n_voxels)
        assert by_note == pytest.approx(table[code], abs=0.05 if axis == "Major" else 0.005)
        entry = describe_feature(f"original_shape_{axis}AxisLength")
        assert entry is not None
        assert re.search(code, entry.ibsi_note)
    energy = values["original_firstorder_Energy"]
    assert values["original_firstorder_TotalEnergy"] == pytest.approx(8 * energy)


def test_matches_are_those_of_pyradiomics(values: dict[str, float]) -> None:
    """102 of 105 comparable features match, with the codes that the deviations stand nearest to."""
    table, matches, deviations = reference(), 0, list[str]()
    for name, value in values.items():
        entry = describe_feature(name)
        assert entry is not None
        nearest = re.match(r"([0-9A-Z]{4}) in IBSI", entry.ibsi_note)
        code = entry.ibsi_code or (nearest[1] if nearest else "")
        if not code:
            continue
        expected, tolerance = table[code]
        if abs(value - expected) <= tolerance:
            matches += 1
        else:
            deviations.append(entry.feature)
    assert matches == 102
    assert sorted(deviations) == ["Kurtosis", "LeastAxisLength", "MinorAxisLength"]
