"""What the dictionary says of voxel size and number, held against measured features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.feature_dictionary import describe_feature
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.features import FeatureExtractor

EXTRACTOR = FeatureExtractor(ExtractionConfig(setting={"binWidth": 10}))


def lesion() -> Volume:
    """An ellipsoid in correlated noise, off every symmetry."""
    rng = np.random.default_rng(3)
    z, y, x = np.mgrid[:16, :18, :20]
    array = 100 + 30 * np.sin(x / 2 + y / 3) + rng.normal(0, 12, x.shape)
    mask = ((z - 7.2) / 4) ** 2 + ((y - 8.4) / 5) ** 2 + ((x - 9.1) / 7) ** 2 <= 1
    return Volume(array, Geometry((20, 18, 16)), mask.astype(np.uint8))


def changed(
    before: Volume, after: Volume, extractor: FeatureExtractor = EXTRACTOR, within: float = 1e-6
) -> set[str]:
    first, second = extractor.extract(before, 1).values, extractor.extract(after, 1).values
    assert set(first) == set(second)
    return {name for name in first if first[name] != pytest.approx(second[name], rel=within)}


def said(names: set[str], family: str, what: str) -> set[str]:
    entries = [entry for name in names if (entry := describe_feature(name)) is not None]
    assert len(entries) == len(names)
    return {
        entry.name
        for entry in entries
        if (family == "" or (entry.family == "shape") == (family == "shape"))
        and getattr(entry, what)
    }


def test_voxel_size_changes_what_the_dictionary_says() -> None:
    volume = lesion()
    larger = replace(volume, geometry=Geometry((20, 18, 16), (2.0, 2.0, 2.0)))
    names = set(EXTRACTOR.extract(volume, 1).values)
    assert changed(volume, larger) == said(names, "", "depends_on_voxel_size")


def test_a_region_twice_as_many_voxels_of_the_same_content() -> None:
    volume = lesion()
    assert volume.mask is not None
    twice = Volume(
        np.tile(volume.array, (2, 1, 1)), Geometry((20, 18, 32)), np.tile(volume.mask, (2, 1, 1))
    )
    # A percentile lies between other voxels then; what depends on the number doubles or halves.
    found = {name for name in changed(volume, twice, within=0.1) if "_shape_" not in name}
    names = set(EXTRACTOR.extract(volume, 1).values)
    assert found == said(names, "intensity", "depends_on_voxel_count")


def test_a_shape_of_twice_as_many_voxels_along_each_axis() -> None:
    volume = lesion()
    assert volume.mask is not None
    fine = np.kron(volume.mask, np.ones((2, 2, 2), np.uint8))
    finer = Volume(np.ones(fine.shape) + fine, Geometry((40, 36, 32)), fine)
    shape = FeatureExtractor(ExtractionConfig(featureClass={"shape": None}))
    first, second = shape.extract(volume, 1).values, shape.extract(finer, 1).values
    # A finer grid cuts the corners of the mesh otherwise; a length doubles, an area is fourfold.
    found = {name for name in first if not 0.8 < second[name] / first[name] < 1.25}
    assert found == said(set(first), "shape", "depends_on_voxel_count")


def test_every_filtered_column_is_described_and_the_size_flag_is_safe() -> None:
    config = ExtractionConfig(
        imageType={
            "Original": None, "LoG": {"sigma": [1.0, 2.5]}, "Wavelet": {"level": 2},
            "Square": None, "SquareRoot": None, "Logarithm": None, "Exponential": None,
            "Gradient": None,
        },
        featureClass={"firstorder": None, "ngtdm": None},
        setting={"binWidth": 10},
    )  # fmt: skip
    extractor, volume = FeatureExtractor(config), lesion()
    names = set(extractor.extract(volume, 1).values)
    assert len(names) == 23 * (8 + 15)
    larger = replace(volume, geometry=Geometry((20, 18, 16), (2.0, 2.0, 2.0)))
    found = changed(volume, larger, extractor)
    assert found <= said(names, "", "depends_on_voxel_size")
    assert any("log-sigma" in name for name in found)
