"""Feature maps are PyRadiomics' voxel-based extraction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import make_volume

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.errors import CaseError
from harmonize_kit.features import FeatureExtractor

FEW: dict[str, Any] = {
    "shape": None,
    "firstorder": ["Mean", "Entropy"],
    "glcm": ["JointEntropy"],
    "glrlm": ["RunPercentage"],
}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {
            "imageType": {"LoG": {"sigma": [1.5]}, "Wavelet": {}},
            "voxelSetting": {"kernelRadius": 2, "initValue": -1},
        },
        {"voxelSetting": {"maskedKernel": False, "voxelBatch": 50}},
        {"setting": {"resegmentRange": [-1, 1], "resegmentMode": "sigma"}},
    ],
    ids=["plain", "filters", "unmasked", "resegmented"],
)
def test_equal_to_pyradiomics(parameters: dict[str, Any]) -> None:
    setting = {"binWidth": 20, **parameters.get("setting", {})}
    asked: dict[str, Any] = {**parameters, "featureClass": FEW, "setting": setting}
    config = ExtractionConfig(**asked)
    volume = make_volume(3, 14)
    theirs = FeatureExtractor(config, "pyradiomics").maps(volume, 2)
    ours = FeatureExtractor(config).maps(volume, 2)
    assert list(ours) == list(theirs)
    assert not any("shape" in name for name in ours)
    for name, expected in theirs.items():
        np.testing.assert_array_equal(ours[name].array, expected.array, err_msg=name)
        assert ours[name].geometry.difference(expected.geometry) is None


def test_too_many_grey_levels_are_refused_at_once() -> None:
    volume = make_volume(0)
    config = ExtractionConfig(
        imageType={"Square": {}}, featureClass={"glcm": None}, setting={"binWidth": 0.01}
    )
    with pytest.raises(CaseError) as caught:
        FeatureExtractor(config).maps(volume.with_array(volume.as_float()), 1)
    assert caught.value.code == "BINS"
