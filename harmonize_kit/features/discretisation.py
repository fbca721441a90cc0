"""Grey levels of a region, binned once for all feature classes of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ExtractionError
from harmonize_kit.features.region import GREY_LEVEL_CAP

DEFAULT_BIN_WIDTH = 25.0


@dataclass(frozen=True)
class GreyLevels:
    """A discretised region.

    Parameters
    ----------
    array : ndarray of int, shape (z, y, x)
        Grey level from 1 on, 0 outside of the region.
    present : ndarray of int
        The levels that occur, in order.
    """

    array: NDArray[np.int_]
    present: NDArray[np.int_]


def discretise(
    array: NDArray[Any], region: NDArray[np.bool_], settings: Mapping[str, Any], name: str
) -> GreyLevels:
    """Bin the intensities of a region with PyRadiomics' own bin edges.

    The edges depend on the smallest and the largest intensity only, so PyRadiomics is given these
    two; they keep the type of the image, in which it makes its edges.

    Parameters
    ----------
    array : ndarray, shape (z, y, x)
    region : ndarray of bool, shape (z, y, x)
    settings : mapping
        ``binWidth`` or ``binCount``.
    name : str
        Name of the filtered image, for messages.

    Raises
    ------
    ExtractionError
        BINS, if there would be more than 4096 levels.
    """
    from radiomics import imageoperations

    values = array[region]
    extremes = np.array([values.min(), values.max()])
    require_few_levels(extremes, settings, name)
    edges = imageoperations.getBinEdges(extremes, **settings)
    levels = np.zeros(array.shape, dtype="int")
    levels[region] = np.digitize(values, edges)
    return GreyLevels(levels, np.unique(levels[region]))


def require_few_levels(extremes: NDArray[Any], settings: Mapping[str, Any], name: str) -> None:
    """Refuse intensities that make more grey levels than texture matrices can hold.

    Raises
    ------
    ExtractionError
        BINS.
    """
    low, high = float(extremes[0]), float(extremes[1])
    count, width = settings.get("binCount"), float(settings.get("binWidth", DEFAULT_BIN_WIDTH))
    levels = float(count) if count is not None else (high - low) / width
    if levels > GREY_LEVEL_CAP:
        means = f"{count} bins" if count is not None else f"bins of {width:g}"
        raise ExtractionError(
            "BINS",
            f"{name}: intensities from {low:g} to {high:g} in {means} make {levels:.0f} grey "
            f"levels, at most {GREY_LEVEL_CAP} are sensible; raise binWidth, set binCount, or "
            "normalize",
        )


@cache
def sharing_levels(feature_class: type[Any]) -> type[Any]:
    """Return PyRadiomics' feature class, made to take its grey levels from the settings.

    By itself each class bins the image anew. The grey levels are passed as the setting
    ``grey_levels``; all else is PyRadiomics'.
    """

    def apply_binning(self: Any, matrix: NDArray[Any]) -> NDArray[np.int_]:
        levels: GreyLevels = self.settings["grey_levels"]
        self.coefficients["grayLevels"] = levels.present
        self.coefficients["Ng"] = int(levels.present.max())
        return levels.array

    names = feature_class.getFeatureNames()
    own = {
        "_applyBinning": apply_binning,
        # PyRadiomics looks its own features up for every case.
        "getFeatureNames": staticmethod(lambda: names),
        # The module names the logger, which must stay PyRadiomics' quiet one.
        "__module__": feature_class.__module__,
    }
    return type(feature_class.__name__, (feature_class,), own)
