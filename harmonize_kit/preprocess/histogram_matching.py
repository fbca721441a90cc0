"""Histogram matching to the mean histogram of training cases: a baseline.

It makes histograms alike whatever the reason for their difference. A head with a large lesion or
wide ventricles is given the histogram of the average head, which moves the intensity of every
tissue: it takes biology out together with the scanner, and is here to be compared against.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import HistogramMatchingConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.intensity_curve import map_landmarks
from harmonize_kit.preprocess.intensity_foreground import Normalized


def mean_quantiles(cases: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean quantile function of training cases, shape (k,).

    It belongs to the histogram that is nearest to all of theirs, their Wasserstein barycentre.
    The scale of the images is kept, so that bright scanners count for more.

    Parameters
    ----------
    cases : ndarray, shape (n, k)
        Quantiles of each case, as :func:`.intensity_curve.landmarks_of` gives them.
    """
    return cases.mean(axis=0)


def match_histogram(
    volume: Volume,
    standard: NDArray[np.float64],
    config: HistogramMatchingConfig | None = None,
) -> Normalized:
    """Return the foreground with the quantiles ``standard``, 0 outside.

    Intensities keep their order; those that are equal stay equal.

    Parameters
    ----------
    volume : Volume
    standard : ndarray, shape (k,)
        Of :func:`mean_quantiles`.
    config : HistogramMatchingConfig, optional

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite.
    """
    return map_landmarks(volume, config or HistogramMatchingConfig(), standard)
