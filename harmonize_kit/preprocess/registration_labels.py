"""What registration did to the volume of labels, against what the size of the head explains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.deformation import Deformation
from harmonize_kit.preprocess.resampling_labels import label_volumes_ml
from harmonize_kit.preprocess.transforms import Affine

# Relative change of a label's volume, beyond that of the head, that is worth a look.
CHANGED = 0.1


def label_volumes(
    before: Volume, after: Volume, transform: Affine | Deformation
) -> tuple[dict[str, list[float]], list[str]]:
    """Return the volume of each label before and after, and notes on what nothing explains.

    A transform from the common grid to the scan says how large each voxel of the grid is in the
    scan: the determinant of its Jacobian. Summed over the label as it came out, that is the volume
    it had; what is not is lost at the edge of a field of view, or to voxels too coarse for it.

    Returns
    -------
    volumes : dict
        By label, ml before and after.
    notes : list of str
    """
    had, has = label_volumes_ml(before), label_volumes_ml(after)
    volumes = {str(label): [ml, has.get(label, 0.0)] for label, ml in had.items()}
    shrinkage = _shrinkage(after, transform)
    notes: list[str] = []
    for label, (first, second) in ((int(name), pair) for name, pair in volumes.items()):
        expected = first / shrinkage.get(label, _affine_determinant(transform))
        if abs(second - expected) > CHANGED * expected:
            notes.append(
                f"label {label} had {first:.3g} ml and has {second:.3g} ml after registration, "
                f"expected {expected:.3g} ml from the size of the head; look at it"
            )
    return volumes, notes


def _shrinkage(labels: Volume, transform: Affine | Deformation) -> dict[int, float]:
    """Return, by label, how much larger it was in the scan than it is on the common grid."""
    box = next(iter(ndimage.find_objects((labels.array != 0).astype(np.uint8))), None)
    if box is None:
        return {}
    part: NDArray[Any] = labels.array[box]
    if isinstance(transform, Affine):
        constant = _affine_determinant(transform)
        return {int(label): constant for label in np.unique(part) if label != 0}
    change = np.abs(transform.volume_change_on(_cropped(labels.geometry, box)))
    return {int(label): float(change[part == label].mean()) for label in np.unique(part) if label}


def _affine_determinant(transform: Affine | Deformation) -> float:
    affine = transform if isinstance(transform, Affine) else transform.affine
    return abs(float(np.linalg.det(affine.linear)))


def _cropped(geometry: Geometry, box: tuple[slice, ...]) -> Geometry:
    """Return the grid of a box of slices z, y, x."""
    starts = [float(side.start) for side in box[::-1]]
    z, y, x = (int(side.stop - side.start) for side in box)
    direction = np.reshape(geometry.direction, (3, 3))
    a, b, c = (float(v) for v in direction @ np.multiply(starts, geometry.spacing))
    origin = (geometry.origin[0] + a, geometry.origin[1] + b, geometry.origin[2] + c)
    return replace(geometry, size=(x, y, z), origin=origin)
