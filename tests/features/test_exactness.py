"""Filters on a region and its margin give PyRadiomics' numbers of the whole image, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import DependencyError
from harmonize_kit.features import FeatureExtractor, filters, margins, provider
from harmonize_kit.features.box import Box
from harmonize_kit.features.filters import apply_filter, laplacian_of_gaussian

EVERY_FILTER: dict[str, Any] = {
    "Original": {},
    "LoG": {"sigma": [0.5, 1, 2.5]},
    "Wavelet": {},
    "Square": {},
    "SquareRoot": {},
    "Logarithm": {},
    "Exponential": {},
    "Gradient": {},
}
FEATURES: dict[str, Any] = {
    "shape": None,
    "firstorder": None,
    "glcm": ["Contrast", "MCC"],
    "glszm": None,
}
SETTINGS: tuple[dict[str, Any], ...] = (
    {"binWidth": 10},
    {"binWidth": 10, "force2D": True, "force2Ddimension": 2},
    {"binWidth": 0.2, "normalize": True, "removeOutliers": 3},
    {
        "binWidth": 10,
        "resegmentRange": [-1, 1.5],
        "resegmentMode": "sigma",
        "resegmentShape": True,
    },
    {"binWidth": 10, "resegmentRange": [0.3, 0.9], "resegmentMode": "relative"},
    {"binWidth": 10, "preCrop": True, "padDistance": 4},
    {"binWidth": 10, "resampledPixelSpacing": [1.5, 1.5, 0], "interpolator": "sitkLinear"},
    {"binCount": 16, "resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline"},
    {"binWidth": 10, "weightingNorm": "euclidean", "distances": [1, 2], "gldm_a": 1},
)
MIDDLE = (slice(4, 9), slice(8, 20), slice(10, 21))
NEAR_START = (slice(2, 5), slice(1, 6), slice(2, 7))
CORNER = (slice(0, 9), slice(15, 21), slice(0, 20))


def ragged(where: tuple[slice, ...], dtype: str, shape: tuple[int, ...] = (11, 21, 43)) -> Volume:
    """A volume of odd size with a full of holes region at ``where``, and another as label 2."""
    rng = np.random.default_rng(5)
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    array = 200 + 100 * np.sin(x / 4) * np.cos(y / 5) + 30 * np.sin(z) + rng.normal(0, 20, z.shape)
    mask = np.zeros(shape, dtype=np.uint8)
    mask[where] = rng.random(mask[where].shape) > 0.2
    mask[1:4, 2:9, 3:8] = 2
    size = (shape[2], shape[1], shape[0])
    return Volume(array.astype(dtype), Geometry(size, (0.8, 1.1, 2.3), (5.0, -3.0, 2.0)), mask)


def compare(volume: Volume, parameters: dict[str, Any]) -> None:
    config = ExtractionConfig(**parameters)
    plain = FeatureExtractor(config, "pyradiomics")
    found = FeatureExtractor(config).extract_all(volume, (1, 2))
    for label, ours in zip((1, 2), found, strict=True):
        theirs = plain.extract(volume, label).values
        assert list(ours.values) == list(theirs)
        np.testing.assert_array_equal(list(ours.values.values()), list(theirs.values()))


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_filter_under_every_kind_of_setting(setting: dict[str, Any]) -> None:
    parameters = {"imageType": EVERY_FILTER, "featureClass": FEATURES, "setting": setting}
    compare(ragged(MIDDLE, "int16"), parameters)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int32"])
@pytest.mark.parametrize("where", [MIDDLE, CORNER], ids=["middle", "corner"])
def test_every_filter_on_every_type_of_voxel(where: tuple[slice, ...], dtype: str) -> None:
    few = {"firstorder": ["Mean", "Entropy"], "glcm": ["Contrast"]}
    parameters = {
        "imageType": EVERY_FILTER, "featureClass": few, "setting": {"binWidth": 10}
    }  # fmt: skip
    compare(ragged(where, dtype), parameters)


@pytest.mark.parametrize(
    ("wavelet", "level", "start_level"),
    [("haar", 1, 0), ("coif1", 1, 0), ("db4", 2, 1), ("bior2.4", 3, 0), ("dmey", 1, 0)],
)
@pytest.mark.parametrize("plane", [None, 0, 1])
@pytest.mark.parametrize("where", [CORNER, NEAR_START], ids=["corner", "near the start"])
def test_any_wavelet_at_any_level(
    wavelet: str, level: int, start_level: int, plane: int | None, where: tuple[slice, ...]
) -> None:
    own = {"wavelet": wavelet, "level": level, "start_level": start_level}
    setting: dict[str, Any] = {"binWidth": 20}
    if plane is not None:
        setting |= {"force2D": True, "force2Ddimension": plane}
    volume = ragged(where, "int16", (13, 60, 84))
    compare(
        volume,
        {
            "imageType": {"Wavelet": own},
            "featureClass": {"firstorder": ["Mean", "Skewness"]},
            "setting": setting,
        },
    )


def whole_laplacian(image: sitk.Image, sigma: float) -> NDArray[Any]:
    whole = sitk.LaplacianRecursiveGaussianImageFilter()
    whole.SetNormalizeAcrossScale(True)
    whole.SetSigma(sigma)
    return sitk.GetArrayFromImage(whole.Execute(image))


def differing(image: sitk.Image, sigma: float, box: Box) -> int:
    """Count the voxels of a box whose value is not that of the whole image."""
    whole = box.view(whole_laplacian(image, sigma))
    found = sitk.GetArrayFromImage(laplacian_of_gaussian(image, sigma, box))
    return int(np.count_nonzero(found != whole))


def rough(seed: int, dtype: str = "float32") -> sitk.Image:
    rng = np.random.default_rng(seed)
    image = sitk.GetImageFromArray((1000 * rng.normal(size=(40, 150, 160))).astype(dtype))
    image.SetSpacing((0.9, 0.7, 3.3))
    return image


def test_laplacian_equals_itk_on_the_whole_image() -> None:
    box = Box((70, 60, 15), (90, 90, 25))
    for seed, (sigma, dtype) in enumerate([(0.7, "float32"), (1.3, "float64"), (1.9, "int16")]):
        assert differing(rough(seed, dtype), sigma, box) == 0


def test_a_narrower_margin_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The margin matters, and the test would see it missing."""
    box = Box((70, 60, 15), (90, 90, 25))
    monkeypatch.setattr(margins, "LOG_MARGIN", 10.0)
    assert differing(rough(0), 1.9, box) > 0
    monkeypatch.setattr(filters, "wavelet_margin", lambda settings: 1)
    volume = ragged(MIDDLE, "float32")
    parameters = {"imageType": {"Wavelet": {}}, "featureClass": {"firstorder": ["Mean"]}}
    with pytest.raises(AssertionError):
        compare(volume, parameters)


def test_a_border_is_forgotten_as_the_slowest_pole_says() -> None:
    """On a line, what is left of a border m sigma away falls as exp(-1.3732 m)."""
    rng = np.random.default_rng(0)
    sigma, cut = 4.0, 20
    line = np.broadcast_to(1e6 * rng.normal(size=300), (4, 4, 300))

    def smooth(array: NDArray[Any]) -> NDArray[np.float64]:
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        order = sitk.RecursiveGaussianImageFilter.SecondOrder
        return sitk.GetArrayFromImage(sitk.RecursiveGaussian(image, sigma, True, order, 0))[0, 0]

    apart = np.abs(smooth(line)[cut:].astype(float) - smooth(line[:, :, cut:])) / 1e6
    for m in (4, 6, 8, 10):
        assert apart[int(m * sigma) :].max() < 10 * np.exp(-1.3732 * m)
    assert apart[: int(4 * sigma)].max() > np.exp(-1.3732 * 6)


def test_filtered_images_lie_where_the_region_lies() -> None:
    volume = ragged(MIDDLE, "int16")
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    box = Box((10, 8, 4), (21, 20, 9))
    for image_type, settings in EVERY_FILTER.items():
        for filtered in apply_filter(image_type, image, image, box, settings):
            assert filtered.image.GetSize() == box.size
            assert filtered.image.GetOrigin() == image.TransformIndexToPhysicalPoint(box.start)
            assert filtered.image.GetSpacing() == image.GetSpacing()


def test_labels_measured_together_are_those_measured_alone() -> None:
    volume = ragged(MIDDLE, "int16")
    extractor = FeatureExtractor(
        ExtractionConfig(imageType=EVERY_FILTER, featureClass={"firstorder": None})
    )
    together = extractor.extract_all(volume, (2, 1))
    assert [found.label for found in together] == [2, 1]
    for found in together:
        assert found == extractor.extract(volume, found.label)


def test_an_image_type_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyRadiomics would leave its features out without a word."""
    needed = (("no.such.module", "nothing", "pip install something"),)
    monkeypatch.setitem(provider.NEEDED_BY, "LBP2D", needed)
    with pytest.raises(DependencyError, match="LBP2D needs"):
        FeatureExtractor(ExtractionConfig(imageType={"LBP2D": {}}))


def test_a_laplacian_wider_than_the_image_is_told() -> None:
    config = ExtractionConfig(
        imageType={"LoG": {"sigma": [1.0, 40.0]}}, featureClass={"firstorder": ["Mean"]}
    )
    found = FeatureExtractor(config).extract(ragged(MIDDLE, "int16"), 1)
    assert list(found.values) == ["log-sigma-1-0-mm-3D_firstorder_Mean"]
    assert found.notes == (
        "LoG with sigma 40 mm left out: the image has too few voxels for it",
    )  # fmt: skip
