"""Masks and grids that are damaged, odd, or do not fit the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from corpus.builders import (
    Names,
    array,
    ball,
    both_edited,
    both_placed,
    case,
    edited,
    masked,
    packed,
    placed,
    put,
    whole,
)
from corpus.formats import (
    ORIGIN,
    affine_of,
    nifti,
    nrrd,
    sets,
)


@case
def empty_mask(here: Path) -> Names:
    return masked(here, ball() * 0)


@case
def label_missing(here: Path) -> Names:
    return masked(here, ball() * 3)


@case
def one_voxel(here: Path) -> Names:
    mask = ball() * 0
    mask[6, 6, 7] = 1
    return masked(here, mask)


@case
def single_slice(here: Path) -> Names:
    mask = ball()
    mask[:6], mask[7:] = 0, 0
    return masked(here, mask)


@case
def probability_mask(here: Path) -> Names:
    return masked(here, ball().astype(np.float32) * np.float32(0.7))


@case
def probability_mask_scaled(here: Path) -> Names:
    mask = nifti(ball() * 179, None, sets(scl_slope=1 / 255))
    return put(here, packed(nifti(array())), mask=packed(mask))


@case
def nan_mask(here: Path) -> Names:
    mask = ball().astype(np.float32)
    mask[0, 0, 0] = np.nan
    return masked(here, mask)


@case
def float_labels(here: Path) -> Names:
    return masked(here, ball().astype(np.float64))


@case
def mask_truncated(here: Path) -> Names:
    content = packed(nifti(ball()))
    return put(here, packed(nifti(array())), mask=content[: len(content) // 2])


@case
def mask_4d(here: Path) -> Names:
    return masked(here, np.stack([ball()] * 2))


@case
def size_mismatch(here: Path) -> Names:
    return masked(here, ball()[:-1])


@case
def spacing_mismatch(here: Path) -> Names:
    return placed(here, affine_of(spacing=(0.75, 0.75, 2.6)))


def shifted(here: Path, by: float) -> Names:
    """The mask's origin moved along x; NRRD keeps all digits."""
    moved = nrrd(ball(), origin=(ORIGIN[0] + by, *ORIGIN[1:]))
    return put(here, nrrd(array()), "image.nrrd", moved, "mask.nrrd")


@case
def origin_off_1e_6(here: Path) -> Names:
    return shifted(here, 1e-6)


@case
def origin_off_1e_4(here: Path) -> Names:
    return shifted(here, 1e-4)


@case
def origin_off_1e_4_tolerated(here: Path) -> Names:
    return shifted(here, 1e-4)


@case
def origin_far(here: Path) -> Names:
    return placed(here, affine_of(origin=(70.0, 12.5, 7.0)))


@case
def direction_flip(here: Path) -> Names:
    return placed(here, affine_of(direction=np.diag([-1.0, 1.0, 1.0])))


@case
def oblique(here: Path) -> Names:
    cosine, sine = np.cos(0.3), np.sin(0.3)
    turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return both_placed(here, affine_of(direction=turned))


@case
def sform_qform_disagree(here: Path) -> Names:
    moved = affine_of(origin=(0.0, 0.0, 0.0))

    def edit(header: Any) -> None:
        header.set_qform(moved, 1)

    return edited(here, edit)


@case
def no_forms(here: Path) -> Names:
    return both_placed(here, affine_of(), forms=(0, 0))


@case
def sheared_sform(here: Path) -> Names:
    affine = affine_of()
    affine[0, 1] = 0.2

    def edit(header: Any) -> None:
        header.set_sform(affine, 1)
        header["qform_code"] = 0

    return edited(here, edit)


@case
def nan_sform(here: Path) -> Names:
    return edited(here, sets(srow_x=np.full(4, np.nan)))


@case
def zero_pixdim(here: Path) -> Names:
    return both_edited(here, sets(pixdim_1=0))


@case
def nan_pixdim(here: Path) -> Names:
    return both_edited(here, sets(pixdim_1=np.nan))


@case
def negative_pixdim(here: Path) -> Names:
    return both_edited(here, sets(pixdim_1=-0.75))


@case
def lps_ras_same_grid(here: Path) -> Names:
    ras = {
        "space": "right-anterior-superior",
        "space directions": "(-0.75,0,0) (0,-0.75,0) (0,0,2.5)",
        "space origin": "(30,-12.5,7)",
    }
    return put(here, nrrd(array()), "image.nrrd", nrrd(ball(), fields=ras), "mask.nrrd")


@case
def mask_outside_fov(here: Path) -> Names:
    return placed(here, affine_of(origin=(-24.0, 12.5, 7.0)))


@case
def roi_touches_border(here: Path) -> Names:
    return masked(here, np.roll(ball(), -3, axis=2))


@case
def disconnected_labels(here: Path) -> Names:
    mask = ball()
    mask[0:2, 0:2, 0:2] = 1
    return masked(here, mask)


@case
def resampling_makes_empty(here: Path) -> Names:
    mask = ball() * 0
    mask[6, 5:7, 5:7] = 1
    return masked(here, mask)


@case
def resampling_explodes_memory(here: Path) -> Names:
    return whole(here)
