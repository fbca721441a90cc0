"""PyRadiomics behind one class: a volume with its mask in, named numbers out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError, ConfigError, ExtractionError, MaskError
from harmonize_kit.features.box import Box
from harmonize_kit.features.discretisation import DEFAULT_BIN_WIDTH
from harmonize_kit.features.filters import POINTWISE, laplacian_name
from harmonize_kit.features.maps import map_region
from harmonize_kit.features.measure import measure_regions
from harmonize_kit.features.provider import load_pyradiomics, require_image_types
from harmonize_kit.features.region import (
    labels_of,
    require_finite_image,
    require_inside,
    require_region,
)
from harmonize_kit.features.regions import prepare_regions
from harmonize_kit.storage.itk import from_itk, mask_to_itk, to_itk

Engine = Literal["auto", "native", "pyradiomics"]


@dataclass(frozen=True)
class RegionFeatures:
    """Features of one region of interest.

    Parameters
    ----------
    label : int
    values : mapping of str to float
        By PyRadiomics' name, in its order; NaN where a feature is undefined for the region.
    notes : tuple of str
        What the reader of the numbers must know.
    """

    label: int
    values: Mapping[str, float]
    notes: tuple[str, ...] = ()


class FeatureExtractor:
    """Extracts what a parameter file asks for, with PyRadiomics' numbers unchanged.

    Parameters
    ----------
    config : ExtractionConfig
    engine : {"auto", "native", "pyradiomics"}
        "native" filters the region and its margin only, bins once an image and finds diameters by
        the hull; all else is PyRadiomics' own code, and the numbers are equal to the bit (mesh and
        diameters of large regions to 1e-12). "pyradiomics" calls PyRadiomics as it is. "auto" is
        "native", which covers all that PyRadiomics' parameters can ask for.

    Raises
    ------
    ConfigError
        If PyRadiomics' own schema refuses a value.
    DependencyError
        If PyRadiomics is missing or doubled, or an image type needs a package that is not here.

    References
    ----------
    van Griethuysen et al. 2017, Cancer Research 77:e104.
    """

    def __init__(self, config: ExtractionConfig, engine: Engine = "auto") -> None:
        self.config = config
        self.engine = engine
        self._extractor = _make_extractor(config)
        require_image_types(config.imageType)

    def labels(self, volume: Volume, asked: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return the labels to measure: those asked for, or the settings' one, or all (None).

        Raises
        ------
        MaskError
            EMPTY_MASK or MASK_NOT_LABELS.
        """
        found = labels_of(volume)
        if asked is None:
            return found
        return asked or (int(self.config.setting.get("label", 1)),)

    def align_mask(self, image: Volume, mask: Volume) -> Volume:
        """Return ``image`` carrying ``mask``.

        With ``correctMask`` a mask on another grid is brought to the image by nearest neighbour,
        as PyRadiomics does.

        Raises
        ------
        GeometryError
            If the grids differ and ``correctMask`` is not set.
        """
        tolerance = float(self.config.setting.get("geometryTolerance") or 1e-6)
        differs = image.geometry.difference(mask.geometry, tolerance) is not None
        if differs and self.config.setting.get("correctMask"):
            require_inside(image, mask)
            moved = sitk.Resample(
                to_itk(mask), to_itk(image), sitk.Transform(), sitk.sitkNearestNeighbor
            )
            mask = from_itk(moved)
        return image.with_mask(mask, tolerance)

    def extract(self, volume: Volume, label: int) -> RegionFeatures:
        """Measure the region of ``label``; see :meth:`extract_all`."""
        return self.extract_all(volume, (label,))[0]

    def extract_all(self, volume: Volume, labels: Iterable[int]) -> list[RegionFeatures]:
        """Measure the regions of several labels, which share what work they can.

        Raises
        ------
        MaskError
            LABEL_MISSING or TOO_SMALL.
        ImageError
            NONFINITE.
        ExtractionError
            BINS, or EXTRACTION with PyRadiomics' own words.
        """
        labels = tuple(labels)
        notes = [self._require(volume, label) for label in labels]
        named = " or ".join(map(str, labels))
        with _quiet(), _one_thread(), _told_as_case_error(named):
            found = self._measure(volume, labels)
        return [
            _region_features(label, values, own + self._left_out(values))
            for label, values, own in zip(labels, found, notes, strict=True)
        ]

    def maps(self, volume: Volume, label: int) -> dict[str, Volume]:
        """Return a map of each feature around every voxel of the region of ``label``.

        The maps are PyRadiomics' voxel-based extraction, equal to the bit, on its grid: the box of
        the region and one kernel radius around it.

        Raises
        ------
        MaskError, ImageError, ExtractionError
            As :meth:`extract_all`.
        """
        self._require(volume, label)
        image, mask = to_itk(volume), mask_to_itk(volume)
        with _quiet(), _one_thread(), _told_as_case_error(str(label)):
            if self.engine == "pyradiomics":
                found = self._extractor.execute(image, mask, label=label, voxelBased=True)
            else:
                regions = prepare_regions(image, mask, (label,), dict(self._extractor.settings))
                found = map_region(self._extractor, regions[0])
        return {
            name: from_itk(made)
            for name, made in found.items()
            if not name.startswith("diagnostics_")
        }

    def _measure(self, volume: Volume, labels: tuple[int, ...]) -> list[dict[str, Any]]:
        if self.engine == "pyradiomics":
            image, mask = to_itk(volume), mask_to_itk(volume)
            return [dict(self._extractor.execute(image, mask, label=label)) for label in labels]
        seen = volume if self._looks_beyond() else _regions_alone(volume)
        settings = dict(self._extractor.settings)
        regions = prepare_regions(to_itk(seen), mask_to_itk(seen), labels, settings)
        return measure_regions(self._extractor, regions)

    def _left_out(self, found: Mapping[str, Any]) -> tuple[str, ...]:
        """Say which Laplacians PyRadiomics leaves out, because the image is smaller than them."""
        if "LoG" not in self.config.imageType:
            return ()
        sigmas = {**self.config.setting, **(self.config.imageType["LoG"] or {})}.get("sigma", ())
        return tuple(
            f"LoG with sigma {sigma:g} mm left out: the image has too few voxels for it"
            for sigma in sigmas
            if not any(name.startswith(f"{laplacian_name(sigma)}_") for name in found)
        )

    def _require(self, volume: Volume, label: int) -> tuple[str, ...]:
        """Prove that a region can be measured, and return what its reader must know."""
        setting = self.config.setting
        neighbours = any(
            image_type != "Original" and image_type not in POINTWISE
            for image_type in self.config.imageType
        )
        notes = require_region(
            volume,
            label,
            bin_width=self._bin_width(),
            filtered=neighbours,
            planar=bool(setting.get("force2D")),
        )
        if self._looks_beyond():
            require_finite_image(volume)
        return notes

    def _looks_beyond(self) -> bool:
        """Tell whether voxels outside a region reach its numbers: by filter, scale or new grid."""
        setting, beyond = self.config.setting, set(self.config.imageType) - {"Original"}
        return bool(beyond or setting.get("normalize") or setting.get("resampledPixelSpacing"))

    def _bin_width(self) -> float | None:
        """Bin width on the unfiltered image, or None where bins or intensities are not known."""
        setting = self.config.setting
        if any(setting.get(name) for name in ("binCount", "normalize", "resegmentRange")):
            return None
        classes = set(self.config.featureClass)
        if classes and classes <= {"shape", "shape2D"}:
            return None
        return float(setting.get("binWidth", DEFAULT_BIN_WIDTH))


def _regions_alone(volume: Volume) -> Volume:
    """Return the part that holds all labels; where in space it lies is of no account to them."""
    box = None if volume.mask is None else Box.around(volume.mask != 0)
    if volume.mask is None or box is None:
        return volume
    geometry = replace(volume.geometry, size=box.size)
    return Volume(box.view(volume.array), geometry, box.view(volume.mask))


def _make_extractor(config: ExtractionConfig) -> Any:
    module = load_pyradiomics()
    logging.getLogger("pykwalify").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            extractor = module.RadiomicsFeatureExtractor(config.parameters())
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"PyRadiomics refuses the parameters: {reason}") from error
    # Hashes of the whole image and mask for every case: a result is kept under our own digest.
    extractor.addProvenance(False)
    return extractor


@contextmanager
def _told_as_case_error(label: str) -> Generator[None]:
    try:
        yield
    except (MemoryError, CaseError):
        raise
    except Exception as error:
        raise _translated(error, label) from error


@contextmanager
def _quiet() -> Generator[None]:
    with warnings.catch_warnings():
        # Ratios of empty texture matrices: PyRadiomics handles their result itself.
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def _one_thread() -> Generator[None]:
    """Keep ITK to one thread: it is cases that are spread over cores.

    It also makes numbers the same on every machine: ITK sums the mean and the variance that
    normalisation needs in parts, one a thread, so PyRadiomics' last bits change with the cores.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _region_features(
    label: int, found: Mapping[str, Any], notes: tuple[str, ...]
) -> RegionFeatures:
    values = {
        # The maximal correlation coefficient comes from eigenvalues of a matrix that is not
        # symmetric: its type can be complex, its value is real.
        name: complex(value).real
        for name, value in found.items()
        if not name.startswith("diagnostics_")
    }
    undefined = [name for name, value in values.items() if not np.isfinite(value)]
    if undefined:
        notes += (f"{len(undefined)} features undefined, first {undefined[0]}",)
        values |= dict.fromkeys(undefined, float("nan"))
    return RegionFeatures(label, values, notes)


def _translated(error: Exception, label: str) -> MaskError | ExtractionError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if any(text in reason for text in ("too few dimensions", "1 segmented voxel", "too small")):
        return MaskError("TOO_SMALL", f"label {label}: {reason}")
    if "not present in mask" in reason:
        return MaskError("LABEL_MISSING", f"label {label} is lost after resampling: {reason}")
    return ExtractionError("EXTRACTION", f"label {label}: {reason}")
