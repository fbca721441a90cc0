"""Intensities relative to the commonest intensity of one tissue."""

from __future__ import annotations

from harmonize_kit.config.intensity_methods import KDEPeakConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.intensity_foreground import Normalized, foreground_of
from harmonize_kit.preprocess.intensity_peaks import tissue_peak, which_peak
from harmonize_kit.preprocess.tissue_scale import require_scale


def kde_peak(volume: Volume, config: KDEPeakConfig | None = None, modality: str = "") -> Normalized:
    """Return the foreground divided by the peak of a tissue in the smoothed histogram, 0 outside.

    The peak is that of :func:`.white_stripe.white_stripe`. The result is relative: it presumes
    that the scale of the image starts at 0, as that of a scanner does.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite, if the contrast is not
        known, or if the peak is not above 0.

    References
    ----------
    Reinhold et al., Evaluating the impact of intensity normalization on MR image synthesis,
    Proc. SPIE 10949, 2019.
    """
    config = config or KDEPeakConfig()
    voxels = foreground_of(volume, config.foreground)
    which = which_peak(modality, config.contrast, config.peak)
    peak = tissue_peak(voxels.values, which)
    require_scale(peak.intensity, "the peak of the histogram")
    return voxels.become(
        voxels.values * (config.to / peak.intensity),
        peak=peak.intensity, which_peak=which, peaks=peak.peaks,
    )  # fmt: skip
