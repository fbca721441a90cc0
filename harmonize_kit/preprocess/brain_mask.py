"""Whether a mask can be a brain."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.core.volume import Geometry

# Of the largest connected piece; a brain is one.
ONE_PIECE = 0.99


def brain_volume_ml(brain: NDArray[np.bool_], geometry: Geometry) -> float:
    """Return the volume of a mask in ml."""
    return float(np.count_nonzero(brain) * prod(geometry.spacing) / 1000.0)


def describe_brain(
    brain: NDArray[np.bool_], geometry: Geometry, plausible_ml: tuple[float, float]
) -> tuple[dict[str, Any], list[str]]:
    """Measure a brain mask, and say what is not as in a brain.

    A mask of an unlikely volume, in several pieces, or cut by the edge of the volume is looked at
    by a person; it is not refused, since a child, a resection or a slab have such brains too.

    Parameters
    ----------
    brain : ndarray of bool, shape (z, y, x)
        At least one voxel is true.
    geometry : Geometry
    plausible_ml : tuple of float
        Smallest and largest volume that pass, in ml.

    Returns
    -------
    dict
        ``brain_ml``; ``pieces`` (connected by faces) and ``largest_piece``, the share of the
        voxels; ``edge_voxels`` on the faces of the volume.
    list of str
        A sentence for each doubt.
    """
    millilitres = brain_volume_ml(brain, geometry)
    pieces, count = ndimage.label(brain)
    sizes = np.bincount(pieces.ravel())[1:]
    largest = float(sizes.max() / sizes.sum())
    edge = np.count_nonzero(brain) - np.count_nonzero(brain[1:-1, 1:-1, 1:-1])
    notes: list[str] = []
    low, high = plausible_ml
    if not low <= millilitres <= high:
        notes.append(
            f"the brain mask holds {millilitres:.0f} ml, expected {low:g} to {high:g}; look at it"
        )
    if largest < ONE_PIECE:
        notes.append(
            f"the brain mask is in {count} pieces, of which the largest holds {largest:.0%}; look "
            "at it"
        )
    if edge:
        notes.append(
            f"the brain mask reaches the edge of the volume ({edge} voxels); the head may be cut "
            "off, or the mask be wrong"
        )
    found = {
        "brain_ml": millilitres, "pieces": int(count), "largest_piece": largest,
        "edge_voxels": int(edge),
    }  # fmt: skip
    return found, notes
