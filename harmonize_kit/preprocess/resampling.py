"""Images, masks and labels at another voxel spacing."""

from __future__ import annotations

from dataclasses import replace
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.resampling import ResamplingConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.resampling_grid import NewGrid, new_grid
from harmonize_kit.preprocess.resampling_labels import label_volumes_ml, resample_labels
from harmonize_kit.preprocess.scans import Scans, Staged

FWHM_PER_SD = 2.0 * sqrt(2.0 * log(2.0))
# Relative change of a label's volume that is worth a look.
CHANGED = 0.1


def resample(scans: Scans, config: ResamplingConfig) -> Staged:
    """Bring every image of a case to a spacing, and its mask and labels with it.

    Raises
    ------
    PreprocessingError
        If an image holds values that are not finite, or would become too large.
    """
    images: dict[str, Volume] = {}
    decided: dict[str, Any] = {}
    for modality, volume in scans.images.items():
        try:
            images[modality], decided[modality] = resample_volume(volume, config)
        except PreprocessingError as error:
            message = f"{modality}: {error.message}" if modality else error.message
            raise PreprocessingError(message) from None
    labels, notes = scans.labels, ()
    if labels is not None:
        before = label_volumes_ml(labels)
        labels = resample_labels(labels, config.spacing_xyz, config.labels)
        after = label_volumes_ml(labels)
        decided["labels_ml"] = {
            str(label): [millilitres, after.get(label, 0.0)]
            for label, millilitres in before.items()
        }
        notes = tuple(_changed(before, after))
    return Staged(Scans(images, labels, scans.drawn_on), decided, notes)


def resample_volume(
    volume: Volume, config: ResamplingConfig | None = None
) -> tuple[Volume, dict[str, Any]]:
    """Return an image and its mask at another spacing, and what was decided.

    An image that has the spacing already is returned as it is. Otherwise it becomes float32
    (float64 where it was), interpolated by B-splines or linearly and held within the range it had,
    since a spline swings over at edges. The mask goes to the nearest voxel.

    Where the image is exactly 0 all over outside of its mask, as after a skull strip, it is so
    afterwards; and the values at the rim come from the inside alone (the outside is filled with
    the nearest value of the inside first), so that the rim does not darken.

    Parameters
    ----------
    volume : Volume
    config : ResamplingConfig, optional

    Raises
    ------
    PreprocessingError
        If voxels are not finite, or there would be too many.
    """
    config = ResamplingConfig() if config is None else config
    grid = new_grid(volume.geometry, config.spacing_xyz)
    if grid is None:
        return volume, {"changed": False}
    bad = np.count_nonzero(~np.isfinite(volume.array))
    if bad:
        raise PreprocessingError(f"expected finite intensities to resample, got {bad} that are not")
    mask = volume.mask
    inside = None if mask is None else mask != 0
    if inside is not None and (not inside.any() or np.any(volume.array[~inside])):
        inside = None
    array, smoothed = _interpolate(volume.array, inside, grid, config)
    moved: NDArray[Any] | None = None
    if mask is not None:
        moved = resample_labels(
            Volume(mask, volume.geometry), config.spacing_xyz, config.labels
        ).array
        if inside is not None:
            array[moved == 0] = 0
    decided = {
        "changed": True,
        "size": list(grid.geometry.size),
        "spacing": list(grid.geometry.spacing),
        "smoothed_sd_mm": smoothed,
        "background_zero": inside is not None,
    }
    return replace(volume, array=array, geometry=grid.geometry, mask=moved), decided


def _interpolate(
    array: NDArray[Any],
    inside: NDArray[np.bool_] | None,
    grid: NewGrid,
    config: ResamplingConfig,
) -> tuple[NDArray[Any], list[float]]:
    """Return the array on the new grid, and the SD of the smoothing along x, y, z in mm."""
    kept = np.float64 if array.dtype == np.float64 else np.float32
    values = array.astype(kept)
    if inside is not None:
        nearest: Any = ndimage.distance_transform_edt(
            ~inside, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    lowest, highest = values.min(), values.max()
    sds = [_smoothing(factor, config) for factor in grid.factor]
    if any(sds):
        values = ndimage.gaussian_filter(values, sds, mode="nearest")
    moved = ndimage.affine_transform(
        values, np.array(grid.factor), np.array(grid.offset), grid.geometry.size[::-1],
        order=3 if config.interpolator == "bspline" else 1, mode="nearest",
    )  # fmt: skip
    spacing = np.divide(grid.geometry.spacing, grid.factor[::-1])
    smoothed = [float(sd * mm) for sd, mm in zip(sds[::-1], spacing, strict=True)]
    return np.clip(moved, lowest, highest), smoothed


def _smoothing(factor: float, config: ResamplingConfig) -> float:
    """Return the SD, in old voxels, that takes their point spread to that of the new ones."""
    if not config.antialias or factor <= config.antialias_from:
        return 0.0
    return sqrt(factor**2 - 1.0) / FWHM_PER_SD


def _changed(before: dict[int, float], after: dict[int, float]) -> list[str]:
    notes: list[str] = []
    for label, millilitres in before.items():
        left = after.get(label, 0.0)
        if not left:
            notes.append(f"label {label} ({millilitres:.3g} ml) is lost at this spacing")
        elif abs(left - millilitres) > CHANGED * millilitres:
            notes.append(
                f"label {label} had {millilitres:.3g} ml and has {left:.3g} ml at this spacing"
            )
    return notes
