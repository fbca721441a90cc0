"""PyRadiomics behind one class: a volume with its mask in, named numbers out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ConfigError, ExtractionError, MaskError
from harmonize_kit.features.provider import load_pyradiomics
from harmonize_kit.features.region import (
    labels_of,
    require_finite_image,
    require_inside,
    require_region,
)
from harmonize_kit.storage.itk import from_itk, mask_to_itk, to_itk

DEFAULT_BIN_WIDTH = 25.0


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

    Raises
    ------
    ConfigError
        If PyRadiomics' own schema refuses a value.
    DependencyError
        If PyRadiomics is missing or doubled.

    References
    ----------
    van Griethuysen et al. 2017, Cancer Research 77:e104.
    """

    def __init__(self, config: ExtractionConfig) -> None:
        self.config = config
        self._extractor = _make_extractor(config)

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
        """Measure the region of ``label``.

        Raises
        ------
        MaskError
            LABEL_MISSING or TOO_SMALL.
        ImageError
            NONFINITE.
        ExtractionError
            BINS, or EXTRACTION with PyRadiomics' own words.
        """
        notes = require_region(volume, label, bin_width=self._bin_width())
        if self._sees_surroundings():
            require_finite_image(volume)
        found = self._execute(volume, label)
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

    def _execute(self, volume: Volume, label: int) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():
                # Ratios of empty texture matrices: PyRadiomics handles their result itself.
                warnings.simplefilter("ignore", RuntimeWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                return dict(
                    self._extractor.execute(to_itk(volume), mask_to_itk(volume), label=label)
                )
        except MemoryError:
            raise
        except Exception as error:
            raise _translated(error, label) from error

    def _sees_surroundings(self) -> bool:
        """Tell whether voxels outside of the region reach the numbers: by a filter or a grid."""
        setting = self.config.setting
        filters = set(self.config.imageType) - {"Original"}
        return bool(filters or setting.get("normalize") or setting.get("resampledPixelSpacing"))

    def _bin_width(self) -> float | None:
        """Bin width on the unfiltered image, or None where bins or intensities are not known."""
        setting = self.config.setting
        if any(setting.get(name) for name in ("binCount", "normalize", "resegmentRange")):
            return None
        classes = set(self.config.featureClass)
        if classes and classes <= {"shape", "shape2D"}:
            return None
        return float(setting.get("binWidth", DEFAULT_BIN_WIDTH))


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


def _translated(error: Exception, label: int) -> MaskError | ExtractionError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if any(text in reason for text in ("too few dimensions", "1 segmented voxel", "too small")):
        return MaskError("TOO_SMALL", f"label {label}: {reason}")
    if "not present in mask" in reason:
        return MaskError("LABEL_MISSING", f"label {label} is lost after resampling: {reason}")
    return ExtractionError("EXTRACTION", f"label {label}: {reason}")
