"""What ITK hides of NIfTI files is told."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError, ImageError
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.storage.images import data_files, read_image, write_image


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_stay_so(
    volume: Volume, tmp_path: Path, suffix: str, wrong: float
) -> None:
    """ITK reads them as 0 from NIfTI; a region that holds one must fail, not be measured."""
    array = volume.array.astype(np.float32)
    array[9, 9, 9] = wrong
    array[3, 2, 1] = wrong
    write_image(volume.with_array(array), tmp_path / f"i{suffix}")
    read = read_image(tmp_path / f"i{suffix}")
    np.testing.assert_array_equal(read.array, array)
    with pytest.raises(CaseError) as caught:
        FeatureExtractor(ExtractionConfig()).extract(replace(read, mask=volume.mask), 1)
    assert caught.value.code == "NONFINITE"


def test_filters_refuse_what_they_would_spread(volume: Volume) -> None:
    array = volume.array.astype(np.float64)
    array[17, 17, 17] = np.nan
    for parameters in (
        {"imageType": {"Wavelet": {}}},
        {"setting": {"normalize": True}},
        {"setting": {"resampledPixelSpacing": [2, 2, 2]}},
    ):
        extractor = FeatureExtractor(ExtractionConfig.model_validate(parameters))
        with pytest.raises(CaseError, match="outside the region"):
            extractor.extract(volume.with_array(array), 1)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_shorter_than_its_header_says_is_refused(
    volume: Volume, tmp_path: Path, compressed: bool
) -> None:
    """Cut short and compressed anew, its checksum is right and its voxels are missing."""
    write_image(volume, tmp_path / "whole.nii")
    content = (tmp_path / "whole.nii").read_bytes()[:-100]
    path = tmp_path / ("short.nii.gz" if compressed else "short.nii")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert caught.value.code == "SHORT_DATA"


def test_a_header_knows_its_data_file(volume: Volume, tmp_path: Path) -> None:
    write_image(volume, tmp_path / "i.nrrd")
    assert data_files(tmp_path / "i.nrrd") == (tmp_path / "i.nrrd",)
    (tmp_path / "i.mhd").write_text("ObjectType = Image\nElementDataFile = other.raw\n")
    with pytest.raises(ImageError, match=r"other\.raw"):
        data_files(tmp_path / "i.mhd")
    (tmp_path / "other.raw").write_bytes(b"x")
    assert data_files(tmp_path / "i.mhd") == (tmp_path / "i.mhd", tmp_path / "other.raw")
    (tmp_path / "j.mhd").write_text("ElementDataFile = LIST\na\nb\n")
    with pytest.raises(ImageError, match="one data file"):
        data_files(tmp_path / "j.mhd")
