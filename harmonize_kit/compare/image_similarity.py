"""How alike two images of one head are: SSIM, PSNR, NMI, and the distance of their histograms.

Against a paired truth (the same head on the scanner that is aimed at) these say how right a
harmonized image is. Against the image it was made from they say only how little was changed: an
image left as it is scores best, a destroyed one may score well, and neither is harmonization.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats

from harmonize_kit.compare.arrays import Flags, Floats

WINDOW_SD = 1.5  # voxels
WINDOW_REACH = 3.5  # standard deviations
BINS = 100
# Identical images have no error; a hundred decibels is beyond any that differ visibly.
MOST_DECIBELS = 100.0


def structural_similarity(
    first: Floats, second: Floats, data_range: float, mask: Flags | None = None
) -> float:
    """Return the mean structural similarity (SSIM), at most 1.

    Gaussian windows of 1.5 voxels, K1 = 0.01, K2 = 0.03, covariances with n (Wang et al. 2004,
    IEEE Transactions on Image Processing 13:600). With a mask, the mean is over its voxels, and
    windows reach beyond its border. Without, voxels nearer to the edge of the image than a window
    reaches are left out.

    Parameters
    ----------
    first, second : ndarray, shape (z, y, x) or (y, x)
    data_range : float
        Difference of the largest and smallest intensity that can occur.
    mask : ndarray of bool, same shape, optional
    """
    small, large = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_a, mean_b = _blurred(first), _blurred(second)
    variance_a = _blurred(first * first) - mean_a * mean_a
    variance_b = _blurred(second * second) - mean_b * mean_b
    covariance = _blurred(first * second) - mean_a * mean_b
    level = (2 * mean_a * mean_b + small) / (mean_a**2 + mean_b**2 + small)
    structure = (2 * covariance + large) / (variance_a + variance_b + large)
    similar = level * structure
    if mask is not None:
        return float(similar[mask].mean())
    reach = int(WINDOW_REACH * WINDOW_SD + 0.5)
    inner = tuple(slice(reach, length - reach) for length in similar.shape)
    return float(similar[inner].mean())


def peak_signal_to_noise(
    first: Floats, second: Floats, data_range: float, mask: Flags | None = None
) -> float:
    """Return ``10 log10(data_range^2 / mean squared error)`` in decibels, at most 100.

    Parameters
    ----------
    first, second : ndarray
    data_range : float
    mask : ndarray of bool, same shape, optional
    """
    apart = (first - second) if mask is None else (first - second)[mask]
    error = float(np.mean(apart**2))
    floor = data_range**2 * 10 ** (-MOST_DECIBELS / 10)
    return float(10 * np.log10(data_range**2 / max(error, floor)))


def normalised_mutual_information(
    first: Floats, second: Floats, mask: Flags | None = None, bins: int = BINS
) -> float:
    """Return ``(H(A) + H(B)) / H(A, B)``: 1 without relation, 2 where one tells the other.

    Studholme, Hill and Hawkes 1999, Pattern Recognition 32:71. Invariant to a monotone change of
    contrast up to the bins, which is what sites do to an image.

    Parameters
    ----------
    first, second : ndarray
    mask : ndarray of bool, same shape, optional
    bins : int
        Of equal width over the range of each image.
    """
    a, b = (x.ravel() if mask is None else x[mask] for x in (first, second))
    counts = np.histogram2d(a, b, bins=bins)[0]
    joint = _entropy(counts.ravel())
    if joint == 0:  # both are constant: there is nothing one could tell of the other
        return 1.0
    return (_entropy(counts.sum(axis=0)) + _entropy(counts.sum(axis=1))) / joint


def histogram_distance(
    image: Floats, reference: Floats, mask: Flags | None = None, other: Flags | None = None
) -> float:
    """Return Wasserstein's distance of intensities, in standard deviations of the reference.

    The area between the distribution functions (order 1): how far intensities must be moved to
    turn one histogram into the other.

    Parameters
    ----------
    image, reference : ndarray
        Not necessarily of one shape or head.
    mask, other : ndarray of bool, optional
        Of the image and of the reference; ``mask`` serves both where ``other`` is not given.
    """
    other = mask if other is None else other
    a = image.ravel() if mask is None else image[mask]
    b = reference.ravel() if other is None else reference[other]
    spread = float(b.std())
    distance = float(stats.wasserstein_distance(a, b))
    if spread == 0:
        return 0.0 if distance == 0 else float("inf")
    return distance / spread


def _entropy(counts: Floats) -> float:
    share = counts[counts > 0] / counts.sum()
    return -float(np.sum(share * np.log(share)))


def _blurred(image: Floats) -> Floats:
    found = ndimage.gaussian_filter(
        np.asarray(image, dtype=np.float64), WINDOW_SD, truncate=WINDOW_REACH, mode="reflect"
    )
    return np.asarray(found, dtype=np.float64)
