"""A rising curve through landmarks, by which the intensities of an image are mapped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import PopulationMethod
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.intensity_foreground import Normalized, foreground_of


def landmarks_of(volume: Volume, config: PopulationMethod) -> list[float]:
    """Return the percentiles of the foreground that ``config`` names, rising.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite, or if the first and
        the last percentile are one.
    """
    return _landmarks(foreground_of(volume, config.foreground).values, config)


def map_landmarks(
    volume: Volume, config: PopulationMethod, standard: NDArray[np.float64]
) -> Normalized:
    """Return the foreground mapped so that its percentiles fall on ``standard``, 0 outside.

    Parameters
    ----------
    volume : Volume
    config : PopulationMethod
        Names the percentiles.
    standard : ndarray, shape (len(config.percentiles),)
        Never falling.

    Raises
    ------
    PreprocessingError
        As :func:`landmarks_of`.
    """
    voxels = foreground_of(volume, config.foreground)
    own = np.asarray(_landmarks(voxels.values, config))
    beyond = {
        "below": int(np.count_nonzero(voxels.values < own[0])),
        "above": int(np.count_nonzero(voxels.values > own[-1])),
    }
    return voxels.become(
        piecewise_linear(voxels.values, own, standard),
        landmarks=[float(v) for v in own], **beyond,
    )  # fmt: skip


def piecewise_linear(
    values: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Map each landmark of ``start`` to that of ``end``, linearly between and beyond them.

    Beyond the first and the last landmark their outer segments go on, as Nyul and Udupa have it.
    Landmarks that coincide, as they do in images of few levels, go to the mean of their targets.
    Where ``end`` rises, so does the map: no two intensities change places.

    Parameters
    ----------
    values : ndarray, shape (n,)
    start, end : ndarray, shape (k,)
        Never falling, with at least two different landmarks in ``start``.
    """
    knots, which = np.unique(start, return_inverse=True)
    targets = np.bincount(which, weights=end) / np.bincount(which)
    mapped = np.interp(values, knots, targets)
    for inner, outer, beyond in ((1, 0, values < knots[0]), (-2, -1, values > knots[-1])):
        slope = (targets[outer] - targets[inner]) / (knots[outer] - knots[inner])
        mapped[beyond] = targets[outer] + slope * (values[beyond] - knots[outer])
    return mapped


def _landmarks(values: NDArray[np.float64], config: PopulationMethod) -> list[float]:
    found = np.percentile(values, config.percentiles)
    if found[0] == found[-1]:
        raise PreprocessingError(
            f"the percentiles {config.percentiles[0]:g} and {config.percentiles[-1]:g} are both "
            f"{found[0]:.6g}; choose percentiles further apart"
        )
    return [float(v) for v in found]
