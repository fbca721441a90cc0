"""How large a region may become, told before the memory is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harmonize_kit.errors import ImageError

MAX_RESAMPLED_VOXELS = 2**31


def require_resampled_size(
    size: Sequence[int],
    spacing: Sequence[float],
    resampled_spacing: Sequence[float],
    *,
    margin: int = 0,
    limit: int = MAX_RESAMPLED_VOXELS,
) -> None:
    """Refuse a resampling whose result would not fit into memory.

    Parameters
    ----------
    size : sequence of int
        Voxels along each axis of what is resampled: the box around the region.
    spacing, resampled_spacing : sequence of float
        Distance of voxel centres before and after, in mm; 0 keeps an axis, as in PyRadiomics.
    margin : int
        Voxels that are added on each side after resampling (``padDistance``).
    limit : int
        Most voxels.

    Raises
    ------
    ImageError
        TOO_LARGE.
    """
    after = [
        math.ceil(length * old / new if new else length) + 2 * margin
        for length, old, new in zip(size, spacing, resampled_spacing, strict=True)
    ]
    if math.prod(after) > limit:
        raise ImageError(
            "TOO_LARGE",
            f"resampled to {' x '.join(f'{step:g}' for step in resampled_spacing)} mm the region "
            f"would have {' x '.join(map(str, after))} voxels, at most {limit} are made; "
            "raise resampledPixelSpacing",
        )
