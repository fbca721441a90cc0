"""The images of one case, read and proved to be what networks can be trained on or used for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ImageError, MaskError
from harmonize_kit.flows.translate_cohort import TranslationCase
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.slices import AxialStack, axial_stack

# Normalised images lie near 0 with deviations near 1. Those of a scanner lie at hundreds; divided
# by the median of white matter they have a mean near 0.8 and a deviation near 0.3.
MEAN_AT_MOST, DEVIATION_AT_MOST = 5.0, 10.0
LARGEST = float(np.finfo(np.float16).max)
# Labels that fill more of the brain than this are regions of it rather than lesions.
LESION_AT_MOST = 0.5


@dataclass(frozen=True)
class ReadCase:
    """A case in the order of the patient's axes.

    Parameters
    ----------
    stack : AxialStack
        Images by modality, shape (z, y, x) each.
    mask : ndarray of bool, shape (z, y, x)
    lesion : ndarray of bool, shape (z, y, x), or None
        None where the cohort tells of none.
    volumes : tuple of Volume
        The images as they lie in their files.
    notes : tuple of str
    """

    stack: AxialStack
    mask: NDArray[np.bool_]
    lesion: NDArray[np.bool_] | None
    volumes: tuple[Volume, ...]
    notes: tuple[str, ...]

    def channels(self) -> NDArray[np.float32]:
        """Return all images, shape (c, z, y, x)."""
        return np.stack([image.astype(np.float32) for image in self.stack.images.values()])

    def scans(self) -> Scans:
        """Return the images with the brain mask as theirs, in the order of the patient's axes."""
        mask, grid = self.mask.astype(np.uint8), self.stack.geometry
        return Scans({name: Volume(image, grid, mask) for name, image in self.stack.images.items()})


def read_case(case: TranslationCase, *, normalised: bool = True) -> ReadCase:
    """Read a case, whose images must lie on one grid and, if so said, be normalised.

    Raises
    ------
    CaseError
        With the reason code of what is wrong with a file; GEOMETRY where images, mask or labels
        lie on different grids; EMPTY_MASK; NOT_NORMALISED.
    """
    if case.lacks:
        raise ImageError("MISSING_FILE", case.lacks)
    reading = case.source.read()
    stack = axial_stack(reading.scans)
    mask = stack.mask
    if mask is None or not mask.any():
        raise MaskError("EMPTY_MASK", "the brain mask of the case has no voxel on its images")
    for modality, image in stack.images.items() if normalised else ():
        _require_normalised(modality, image[mask].astype(np.float64))
    lesion, notes = _lesion_of(case, stack, mask)
    volumes = tuple(reading.scans.images.values())
    return ReadCase(stack, mask, lesion, volumes, (*reading.notes, *notes))


def _require_normalised(modality: str, inside: NDArray[np.float64]) -> None:
    mean, deviation = float(inside.mean()), float(inside.std())
    fits = abs(mean) <= MEAN_AT_MOST and 0 < deviation <= DEVIATION_AT_MOST
    if fits and np.abs(inside).max() <= LARGEST:
        return
    raise ImageError(
        "NOT_NORMALISED",
        f"expected normalised intensities in image '{modality or 'Image'}' (inside the brain mask "
        f"a mean within {MEAN_AT_MOST:g} of 0 and a standard deviation above 0, of at most "
        f"{DEVIATION_AT_MOST:g}), got mean {mean:.4g} and standard deviation {deviation:.4g}; "
        "normalise first: harmonize-kit preprocess COHORT -o DIR --stages zscore",
    )


def _lesion_of(
    case: TranslationCase, stack: AxialStack, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    if stack.labels is None:
        return None, ()
    chosen = case.source.case.labels
    lesion = np.isin(stack.labels, chosen) if chosen else stack.labels != 0
    share = float((lesion & mask).sum() / mask.sum())
    if share > LESION_AT_MOST:
        return None, (
            f"its labels fill {share:.0%} of the brain: taken for regions of it, not for lesions",
        )
    return lesion, ()
