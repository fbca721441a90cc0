"""Intensities mapped linearly to a range: by percentiles of the image, or by a fixed window."""

from __future__ import annotations

import numpy as np

from harmonize_kit.config.intensity_methods import PercentileConfig, WindowConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.intensity_foreground import Normalized, foreground_of


def percentile(volume: Volume, config: PercentileConfig | None = None) -> Normalized:
    """Return the foreground with two of its percentiles at the ends of a range, 0 outside.

    How many voxels lie beyond the two is recorded: clipped, they cannot be told apart any more.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty or not finite, or the two percentiles are one.
    """
    config = config or PercentileConfig()
    voxels = foreground_of(volume, config.foreground)
    low, high = (float(v) for v in np.percentile(voxels.values, (config.low, config.high)))
    if low == high:
        raise PreprocessingError(
            f"the percentiles {config.low:g} and {config.high:g} are both {low:.6g}; choose "
            "percentiles further apart"
        )
    start, end = config.to
    scaled = start + (voxels.values - low) * ((end - start) / (high - low))
    beyond = {
        "below": int(np.count_nonzero(voxels.values < low)),
        "above": int(np.count_nonzero(voxels.values > high)),
        "clipped": config.clip,
    }
    if config.clip:
        scaled = np.clip(scaled, start, end)
    return voxels.become(scaled, low=low, high=high, **beyond)


def window(volume: Volume, config: WindowConfig | None = None) -> Normalized:
    """Return intensities cut at the ends of a window, mapped to a range if one is asked for.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty or not finite.
    """
    config = config or WindowConfig()
    voxels = foreground_of(volume, config.foreground, constant=True)
    cut = np.clip(voxels.values, config.low, config.high)
    beyond = {
        "below": int(np.count_nonzero(voxels.values < config.low)),
        "above": int(np.count_nonzero(voxels.values > config.high)),
    }
    if config.to is not None:
        start, end = config.to
        share = (cut - config.low) / (config.high - config.low)
        cut = start + share * (end - start)
    return voxels.become(cut, low=config.low, high=config.high, clipped=True, **beyond)
