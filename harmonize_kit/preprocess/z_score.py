"""Intensities in standard deviations from the mean of the foreground."""

from __future__ import annotations

from harmonize_kit.config.intensity_methods import ZScoreConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.intensity_foreground import Normalized, foreground_of


def z_score(volume: Volume, config: ZScoreConfig | None = None) -> Normalized:
    """Return (x - mean) / (SD + eps) in the foreground, 0 outside.

    The SD is that of the population (divided by n), as numpy has it by default.

    The mean and SD are those of everything in the mask: a large lesion moves both, so that healthy
    tissue of two patients differs afterwards by what their lesions are. Where that matters, scale
    by one tissue (:func:`.white_stripe.white_stripe`, :func:`.fuzzy_c_means.fuzzy_c_means`).

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite.
    """
    config = config or ZScoreConfig()
    voxels = foreground_of(volume, config.foreground)
    mean, sd = voxels.values.mean(), voxels.values.std()
    scaled = (voxels.values - mean) / (sd + config.eps)
    return voxels.become(scaled, mean=float(mean), sd=float(sd))
