"""Intensities in standard deviations from normal-appearing white matter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import WhiteStripeConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.intensity_foreground import Normalized, foreground_of
from harmonize_kit.preprocess.intensity_peaks import tissue_peak, which_peak


class Stripe(NamedTuple):
    """The white stripe: where it lies, how many voxels are in it, and their mean and SD."""

    quantile: float
    low: float
    high: float
    voxels: int
    mean: float
    sd: float


def white_stripe(
    volume: Volume, config: WhiteStripeConfig | None = None, modality: str = ""
) -> Normalized:
    """Return (x - mean) / SD in the foreground, with the mean and SD of the white stripe.

    The stripe holds the intensities within ``width`` (a share of the foreground) on either side
    of the peak of white matter: the last of a T1-weighted image, the largest of a T2-weighted one.
    Lesions far from that peak do not move the scale. It presumes a bias field that was corrected,
    since otherwise white and grey matter share a peak; then the image gets a note.

    The authors' R package divides by the SD of the sample, this by that of the population, which
    differs by less than one part in the number of voxels; the package intensity-normalization
    takes any intensity below the 96th percentile for common, and finds the peak to 1/80 of the
    range (see :mod:`.intensity_peaks`).

    Parameters
    ----------
    volume : Volume
        A brain.
    config : WhiteStripeConfig, optional
    modality : str
        Its name tells the contrast where ``config`` does not.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite, if the contrast is not
        known, or if the stripe holds a single intensity.

    References
    ----------
    Shinohara et al., Statistical normalization techniques for magnetic resonance imaging,
    NeuroImage: Clinical 6, 2014.
    """
    config = config or WhiteStripeConfig()
    voxels = foreground_of(volume, config.foreground)
    which = which_peak(modality, config.contrast, config.peak)
    peak = tissue_peak(voxels.values, which)
    stripe = stripe_about(voxels.values, peak.intensity, config.width)
    made = voxels.become(
        (voxels.values - stripe.mean) / stripe.sd,
        which_peak=which, peak=peak.intensity, peaks=peak.peaks, peak_quantile=stripe.quantile,
        stripe=[stripe.low, stripe.high], stripe_voxels=stripe.voxels,
        mean=stripe.mean, sd=stripe.sd,
    )  # fmt: skip
    if which == "last" and peak.peaks < 2:
        alone = (
            "the histogram has one peak, so that white and grey matter may share it and the "
            "white stripe may lie in both; correct the bias field before, or use another method"
        )
        return made._replace(notes=(*made.notes, alone))
    return made


def stripe_about(values: NDArray[np.float64], peak: float, width: float) -> Stripe:
    """Return the stripe of ``width`` on either side of a peak, in shares of ``values``.

    Raises
    ------
    PreprocessingError
        If it holds fewer than two different intensities.
    """
    at = float(np.mean(values < peak))
    low, high = (float(v) for v in np.quantile(values, (max(at - width, 0), min(at + width, 1))))
    stripe = values[(values > low) & (values < high)]
    if not len(stripe) or stripe.min() == stripe.max():
        raise PreprocessingError(
            f"the white stripe from {low:.6g} to {high:.6g} holds fewer than two different "
            "intensities; use a larger width, or another method for images of few levels"
        )
    return Stripe(at, low, high, len(stripe), float(stripe.mean()), float(stripe.std()))
