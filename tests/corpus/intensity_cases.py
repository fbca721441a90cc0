"""Intensities that cannot be measured, or only with care."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from corpus.builders import (
    Names,
    array,
    ball,
    case,
    edited,
    packed,
    put,
    valued,
    whole,
)
from corpus.formats import (
    nifti,
    sets,
)
from numpy.typing import NDArray


def with_voxel(value: float, at: tuple[int, int, int] = (6, 6, 7)) -> NDArray[np.float32]:
    values = array().astype(np.float32)
    values[at] = value
    return values


@case
def nan_in_roi(here: Path) -> Names:
    return valued(here, with_voxel(np.nan))


@case
def inf_in_roi(here: Path) -> Names:
    return valued(here, with_voxel(np.inf))


@case
def nan_in_roi_scaled(here: Path) -> Names:
    edit = sets(scl_slope=200, scl_inter=-1024)
    return put(here, packed(nifti(with_voxel(np.nan), None, edit)))


@case
def nan_outside_roi(here: Path) -> Names:
    return valued(here, with_voxel(np.nan, (0, 0, 0)))


@case
def nan_outside_roi_filtered(here: Path) -> Names:
    return nan_outside_roi(here)


@case
def all_nan(here: Path) -> Names:
    return valued(here, np.full(array().shape, np.nan, np.float32))


@case
def constant_roi(here: Path) -> Names:
    return valued(here, np.full(array().shape, 42, np.int16))


@case
def scaled_by_hand(here: Path) -> Names:
    return valued(here, (array().astype(np.float32) * 200 - 1024))


@case
def int16_overflow_scl_slope(here: Path) -> Names:
    return edited(here, sets(scl_slope=200, scl_inter=-1024))


@case
def scl_slope_nan(here: Path) -> Names:
    return edited(here, sets(scl_slope=np.nan))


@case
def scl_slope_zero(here: Path) -> Names:
    return edited(here, sets(scl_slope=0))


@case
def uint64_beyond_float53(here: Path) -> Names:
    return valued(here, array().astype(np.uint64) + np.uint64(2**60))


@case
def complex_image(here: Path) -> Names:
    return valued(here, array().astype(np.complex64))


@case
def rgb(here: Path) -> Names:
    colour = np.zeros(array().shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colour["R"] = array() // 2
    return valued(here, colour)


@case
def _4d_single_volume(here: Path) -> Names:
    return valued(here, array()[None])


@case
def _4d_multi(here: Path) -> Names:
    return valued(here, np.stack([array()] * 3))


@case
def _2d(here: Path) -> Names:
    return put(here, packed(nifti(array()[6])), mask=packed(nifti(ball()[6])))


@case
def _2d_as_one_slice(here: Path) -> Names:
    return put(here, packed(nifti(array()[6:7])), mask=packed(nifti(ball()[6:7])))


@case
def gray_levels_gt_cap(here: Path) -> Names:
    return valued(here, array().astype(np.float32) * 1e6)


@case
def gray_levels_normalized(here: Path) -> Names:
    return whole(here)


@case
def gray_levels_by_count(here: Path) -> Names:
    return whole(here)


@case
def float_range_1e38(here: Path) -> Names:
    values = with_voxel(3e38)
    values[5, 6, 7] = -3e38
    return valued(here, values)


@case
def denormals(here: Path) -> Names:
    return valued(here, array().astype(np.float32) * np.float32(1e-42))
