"""How far around a region each filter must see for its values inside to be exact.

A filter on a crop gives the numbers of a filter on the whole image where the crop holds all that
the numbers depend on:

==============  ==========================================================================
Square, Root,   nothing beside the voxel, but for a scale: the largest absolute intensity of
Log, Exp        the whole image, which travels with the crop
Wavelet         the taps of the filter, once a decomposition: ``start_level + level`` times;
                beyond the border the image goes on at its other side
Gradient        one voxel
LBP2D           the radius in which neighbours are sampled, and one voxel to interpolate
LBP3D           the whole image: it interpolates by a spline whose prefilter runs from border
                to border, at positions counted from the first voxel
LoG             ITK's recursive Gaussian (Deriche 1993; Farnebaeck & Westin 2006) forgets a
                border as its slowest pole, exp(-1.3732 / sigma), with sigma in voxels:
                27 sigma leave exp(-37.1) < 2 ** -53 of it, which double precision, in
                which the recursion runs, cannot hold
==============  ==========================================================================

All margins end at the border of the image, where crop and image see the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, cast

import pywt

from harmonize_kit.features.box import Voxels

LOG_MARGIN = 27.0
# ITK refuses to filter along fewer voxels.
FEWEST = 4


def log_margin(sigma: float, spacing: tuple[float, ...]) -> Voxels:
    """Return the voxels that a Laplacian of Gaussian of ``sigma`` mm needs along x, y, z."""
    x, y, z = (max(ceil(LOG_MARGIN * sigma / step), FEWEST) for step in spacing)
    return x, y, z


def wavelet_margin(settings: Mapping[str, Any]) -> int:
    """Return the voxels that repeated stationary wavelet decompositions need on each side."""
    wavelet = settings.get("wavelet", "coif1")
    taps: int = cast(Any, pywt).Wavelet(wavelet).dec_len
    return taps * (int(settings.get("start_level", 0)) + int(settings.get("level", 1)))


def neighbour_margin(image_type: str, settings: Mapping[str, Any]) -> int:
    """Return the voxels that a filter of close neighbours needs on each side."""
    if image_type == "Gradient":
        return 1
    if image_type == "LBP2D":
        return ceil(settings.get("lbp2DRadius", 1)) + 1
    raise ValueError(f"expected a filter of neighbours, got {image_type}")
