"""The standard intensity scale of Nyul and Udupa.

Landmarks of the histogram, here percentiles of the foreground, are brought to where they lie on
average in the training cases, and all between them linearly. Beyond the outer landmarks the outer
segments go on with their slope, as published, so that nothing is cut and no two intensities change
places. It presumes that a percentile means the same tissue in every head: a large lesion, much
atrophy or a mask that takes in other tissue shifts all landmarks, and what was lesion becomes
something else.

The package intensity-normalization (3.0.1) has the same landmarks and map; its numbers are met to
float32. Where landmarks coincide, as they do in images of few levels, it divides by 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import NyulConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.intensity_curve import map_landmarks
from harmonize_kit.preprocess.intensity_foreground import Normalized


def standard_scale(
    cases: NDArray[np.float64], config: NyulConfig | None = None
) -> NDArray[np.float64]:
    """Return the mean landmarks of training cases on the standard scale, shape (k,).

    The outer landmarks of each case are first brought to the ends of the scale, so that a case
    counts by the shape of its histogram, not by the gain of its scanner.

    Parameters
    ----------
    cases : ndarray, shape (n, k)
        Landmarks of each case, as :func:`.intensity_curve.landmarks_of` gives them.
    config : NyulConfig, optional

    References
    ----------
    Nyul and Udupa, On standardizing the MR image intensity scale, Magn. Reson. Med. 42, 1999;
    Nyul, Udupa and Zhang, New variants of a method of MRI scale standardization, IEEE Trans. Med.
    Imaging 19, 2000; Shah et al., Med. Image Anal. 15, 2011, for the percentiles.
    """
    start, end = (config or NyulConfig()).to
    first, last = cases[:, :1], cases[:, -1:]
    scaled: NDArray[np.float64] = start + (cases - first) * ((end - start) / (last - first))
    return scaled.mean(axis=0)


def nyul(
    volume: Volume, standard: NDArray[np.float64], config: NyulConfig | None = None
) -> Normalized:
    """Return the foreground on a standard scale, 0 outside.

    Parameters
    ----------
    volume : Volume
    standard : ndarray, shape (k,)
        Of :func:`standard_scale`.
    config : NyulConfig, optional

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite, or if the outer
        percentiles are one.
    """
    return map_landmarks(volume, config or NyulConfig(), standard)
