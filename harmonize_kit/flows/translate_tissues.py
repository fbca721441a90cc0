"""Tissue classes for the guards: those that the cohort names, or found on the image before."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import contrast_of
from harmonize_kit.errors import GeometryError, MaskError, PreprocessingError
from harmonize_kit.flows.translate_cohort import TISSUE, TranslationCase
from harmonize_kit.flows.translate_read import ReadCase
from harmonize_kit.preprocess.tissue_classes import tissue_classes
from harmonize_kit.storage.images import open_mask

TOLERANCE = 1e-4
CLASSES = 3


class Tissues(NamedTuple):
    """Class of each voxel, shape (z, y, x), None where there are none; and where it is from."""

    classes: NDArray[np.integer] | None
    source: str


def tissues_of(case: TranslationCase, read: ReadCase) -> Tissues:
    """Return the tissue classes of a case.

    Those of the file in its column ``Tissue_labels``; without one, three classes by fuzzy c-means
    on its T1-weighted image or, where no modality is called one, on its first. Classes found on
    one modality serve them all: they say of the others what their own intensities do not.

    Raises
    ------
    CaseError
        If the file cannot be read, holds no labels, or lies on another grid.
    """
    if case.tissue:
        return Tissues(_named(case, read), f"column {TISSUE}")
    scans = read.scans().images
    source = next((name for name in scans if contrast_of(name) == "t1"), next(iter(scans)))
    try:
        classes = tissue_classes(scans[source], CLASSES)
    except PreprocessingError:
        # Too few intensities to tell tissues by: one curve serves all.
        return Tissues(None, "none")
    return Tissues(classes.hard(), f"fuzzy c-means of {source or 'Image'}")


def _named(case: TranslationCase, read: ReadCase) -> NDArray[np.integer]:
    path = Path(case.tissue)
    volume = open_mask(path).volume
    difference = read.volumes[0].geometry.difference(volume.geometry, TOLERANCE)
    if difference is not None:
        raise GeometryError(
            f"{path.name}, the tissues of the case, lies on another grid than its images: "
            f"{difference}; resample it by nearest neighbour"
        )
    if not np.array_equal(volume.array, np.rint(volume.array)):
        raise MaskError(
            "MASK_NOT_LABELS",
            f"{path.name}: expected whole numbers, one a tissue, got fractions; threshold it first",
        )
    return read.stack.order.to_patient(volume.array).astype(np.int64)
