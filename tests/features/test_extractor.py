"""PyRadiomics' numbers, unchanged."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import make_volume

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import load_config, preset_names
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError, DependencyError, GeometryError
from harmonize_kit.features import FeatureExtractor, describe_provider, provider
from harmonize_kit.storage.images import read_image, read_mask, write_image, write_mask

FILTERED = {
    "imageType": {"Original": {}, "LoG": {"sigma": [1.0, 3.0]}, "Wavelet": {}},
    "setting": {"binWidth": 10},
}
# Bins for images that come in with a standard deviation of 1.
NORMALIZED = load_config("mr-normalized", "extract", ExtractionConfig).parameters()


def pyradiomics(
    image: Path, mask: Path, parameters: dict[str, Any], label: int
) -> dict[str, float]:
    """Call PyRadiomics directly on the files, on one thread as extraction does."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        found = RadiomicsFeatureExtractor(parameters).execute(str(image), str(mask), label=label)
    return {
        name: float(np.real(value)) for name, value in found.items() if "diagnostics" not in name
    }


@pytest.mark.parametrize(
    "parameters",
    [
        *(load_config(name, "extract", ExtractionConfig).parameters()
          for name in preset_names("extract")),
        FILTERED,
        {
            "featureClass": {"firstorder": [], "glcm": [], "glszm": []},
            "setting": {"force2D": True, "resegmentRange": [250, 350], "binCount": 16},
        },
    ],
    ids=[*preset_names("extract"), "filters", "2-D, resegmented"],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_bit_equal_to_pyradiomics_called_directly(
    tmp_path: Path, parameters: dict[str, Any], dtype: str
) -> None:
    case = make_volume(3, 20, dtype)
    if parameters == NORMALIZED:
        case = case.with_array((case.array - case.array.mean()) / case.array.std())
    image, mask = tmp_path / "i.nrrd", tmp_path / "m.nrrd"
    write_image(case, image)
    write_mask(case, mask)
    extractor = FeatureExtractor(ExtractionConfig(**parameters))
    volume = extractor.align_mask(read_image(image), read_mask(mask))
    for label in (1, 2):
        expected = pyradiomics(image, mask, parameters, label)
        got = extractor.extract(volume, label).values
        assert list(got) == list(expected)
        np.testing.assert_array_equal(list(got.values()), list(expected.values()))


@pytest.mark.parametrize(
    ("case", "parameters"),
    [("brain1", {}), ("breast1", {}), ("lung1", {}), ("brain1", FILTERED), ("breast1", FILTERED)],
    ids=["brain1", "breast1", "lung1", "brain1 filtered", "breast1 filtered"],
)
def test_bit_equal_on_pyradiomics_own_cases(
    real_data: Path, case: str, parameters: dict[str, Any]
) -> None:
    folder = real_data / "images" / "pyradiomics_cases"
    image, mask = folder / f"{case}_image.nrrd", folder / f"{case}_label.nrrd"
    extractor = FeatureExtractor(ExtractionConfig(**parameters))
    volume = extractor.align_mask(read_image(image), read_mask(mask))
    label = extractor.labels(volume, None)[0]
    expected = pyradiomics(image, mask, parameters, label)
    assert dict(extractor.extract(volume, label).values) == expected


def test_labels_are_those_asked_for_or_set_or_all(volume: Volume) -> None:
    extractor = FeatureExtractor(ExtractionConfig(setting={"label": 2}))
    assert extractor.labels(volume, ()) == (2,)
    assert extractor.labels(volume, (1, 2)) == (1, 2)
    assert extractor.labels(volume, None) == (1, 2)
    assert FeatureExtractor(ExtractionConfig()).labels(volume, ()) == (1,)


def refused(volume: Volume, label: int = 1, **setting: Any) -> tuple[str, str]:
    extractor = FeatureExtractor(ExtractionConfig(setting=setting))
    with pytest.raises(CaseError) as caught:
        extractor.extract(volume, extractor.labels(volume, (label,))[0])
    return caught.value.code, caught.value.message


def with_region(volume: Volume, values: Any, where: Any) -> Volume:
    array = volume.array.astype(np.float64)
    array[where] = values
    return volume.with_array(array)


def test_what_cannot_be_measured_has_its_code(volume: Volume) -> None:
    assert volume.mask is not None
    nothing = replace(volume, mask=np.zeros_like(volume.mask))
    probability = replace(volume, mask=volume.mask * 0.7)
    voxel = np.zeros_like(volume.mask)
    voxel[5, 5, 5] = 1
    line = voxel.copy()
    line[5, 5, 5:9] = 1
    centre = (9, 9, 9)
    assert refused(nothing)[0] == "EMPTY_MASK"
    assert refused(probability)[0] == "MASK_NOT_LABELS"
    assert refused(replace(volume, mask=voxel))[0] == "TOO_SMALL"
    assert refused(replace(volume, mask=line))[0] == "TOO_SMALL"
    code, message = refused(volume, 7)
    assert (code, "has 1, 2" in message) == ("LABEL_MISSING", True)
    for wrong in (np.nan, np.inf):
        assert refused(with_region(volume, wrong, centre))[0] == "NONFINITE"
    assert refused(with_region(volume, 1e9, centre))[0] == "BINS"


def test_a_value_outside_the_region_does_not_matter_to_the_original_image(volume: Volume) -> None:
    wild = with_region(volume, np.nan, (17, 17, 17))
    extractor = FeatureExtractor(ExtractionConfig(imageType={"Original": {}}))
    as_float = volume.with_array(volume.array.astype(np.float64))
    assert extractor.extract(wild, 1).values == extractor.extract(as_float, 1).values


def test_a_constant_region_succeeds_with_a_note(volume: Volume) -> None:
    flat = volume.with_array(np.full(volume.array.shape, 42, np.int16))
    found = FeatureExtractor(ExtractionConfig()).extract(flat, 1)
    assert found.values["original_firstorder_Mean"] == 42
    assert "constant region" in found.notes[0]


def test_another_grid_is_refused_unless_the_mask_may_be_corrected(volume: Volume) -> None:
    assert volume.mask is not None
    geometry = replace(volume.geometry, origin=(-30.0, 13.4, 7.0))
    mask = Volume(volume.mask, geometry)
    with pytest.raises(GeometryError, match="correctMask"):
        FeatureExtractor(ExtractionConfig()).align_mask(volume, mask)
    corrected = FeatureExtractor(ExtractionConfig(setting={"correctMask": True}))
    moved = corrected.align_mask(volume, mask)
    assert moved.mask is not None
    assert (moved.mask == 1).sum() == (volume.mask == 1).sum()
    outside = Volume(volume.mask, replace(geometry, origin=(-60.0, 12.5, 7.0)))
    with pytest.raises(CaseError) as caught:
        corrected.align_mask(volume, outside)
    assert caught.value.code == "OUTSIDE_IMAGE"


def test_the_provider_of_the_module_radiomics_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe_provider() == "pyradiomics-bhklab 3.1.4"

    def installed(**found: str) -> None:
        names = {name.replace("_", "-"): text for name, text in found.items()}

        def version(name: str) -> str:
            if name in names:
                return names[name]
            raise PackageNotFoundError(name)

        monkeypatch.setattr(provider, "version", version)

    installed(pyradiomics="3.0.1")
    assert "pyradiomics 3.0.1 instead of" in describe_provider()
    installed(pyradiomics_bhklab="3.1.2")
    assert "instead of 3.1.4" in describe_provider()
    installed(pyradiomics="3.0.1", pyradiomics_bhklab="3.1.4")
    with pytest.raises(DependencyError, match="two distributions"):
        describe_provider()
    installed()
    with pytest.raises(DependencyError, match="pip install"):
        describe_provider()
