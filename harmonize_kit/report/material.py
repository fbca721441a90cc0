"""What a report may show beside the scorecard: models, their training ranges, exclusions, images.

All of it is plain arrays and names, so that the report need not know what a model or a volume is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import TableError
from harmonize_kit.report.guarded import GuardedImages
from harmonize_kit.report.reader_ratings import ReaderRatings

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SiteEstimates:
    """Site effects of a location-scale model before and after empirical Bayes shrinkage.

    Parameters
    ----------
    model : str
        Name of the candidate it made.
    sites : tuple of str
        Names of the k sites.
    counts : tuple of int
        Training cases of each site.
    raw_location, location : ndarray, shape (k, p)
        Additive effects on standardised features, in standard deviations.
    raw_scale, scale : ndarray, shape (k, p)
        Variance ratios to the pooled residual variance.

    Raises
    ------
    TableError
        If the arrays are not of one shape, one row a site.
    """

    model: str
    sites: tuple[str, ...]
    counts: tuple[int, ...]
    raw_location: Array
    location: Array
    raw_scale: Array
    scale: Array

    def __post_init__(self) -> None:
        arrays = (self.raw_location, self.location, self.raw_scale, self.scale)
        shapes = {array.shape for array in arrays}
        rows = {array.shape[0] for array in arrays} | {len(self.sites), len(self.counts)}
        if len(shapes) > 1 or len(rows) > 1:
            raise TableError(
                f"site estimates of '{self.model}': expected one row a site in every array, got "
                f"{len(self.sites)} sites, {len(self.counts)} counts and arrays of "
                f"{sorted(shapes)}; pass the arrays of one model"
            )

    @property
    def shrunken(self) -> bool:
        """Whether shrinkage moved any estimate at all."""
        pairs = ((self.raw_location, self.location), (self.raw_scale, self.scale))
        return any(not np.allclose(raw, after) for raw, after in pairs)


@dataclass(frozen=True)
class TrainingRange:
    """A covariate of the judged cases against the range a model was fitted on.

    Parameters
    ----------
    model, covariate : str
    trained, found : tuple of float
        Smallest and largest value in training and among the judged cases.
    beyond, cases : int
        Judged cases outside the training range, of how many.
    """

    model: str
    covariate: str
    trained: tuple[float, float]
    found: tuple[float, float]
    beyond: int
    cases: int


@dataclass(frozen=True)
class ImageChange:
    """One image before, and as each candidate has it, on one grid.

    Parameters
    ----------
    name : str
        How it is called on the page; no id, unless ids may be shown.
    before : ndarray, shape (z, y, x)
        Intensities.
    after : tuple of ndarray, shape (z, y, x)
        In the same unit; by candidate, and the truth where it is known.
    spacing : tuple of float
        Distance of voxel centres along x, y, z, in mm.
    mask : ndarray of bool, shape (z, y, x), optional
        The lesion.
    labels : tuple of str
        What before and each image after are.
    numbers : mapping of str to mapping of str to float
        By label: measures of that image against the one before, by name.
    region : ndarray of bool, shape (z, y, x), optional
        The voxels that are content; without, all that are brighter than the darkest before.

    Raises
    ------
    TableError
        If the arrays are not three-dimensional and of one shape, hold what is no number, or labels
        are not as many as images.
    """

    name: str
    before: Array
    after: tuple[Array, ...]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mask: NDArray[np.bool_] | None = None
    labels: tuple[str, ...] = ("before", "after")
    numbers: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    region: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != 1 + len(self.after):
            raise TableError(
                f"image '{self.name}': expected a label for each of {1 + len(self.after)} images, "
                f"got {len(self.labels)}; name the one before first"
            )
        shapes = {self.before.shape, *(array.shape for array in self.after)}
        shapes |= {mask.shape for mask in (self.mask, self.region) if mask is not None}
        if len(shapes) > 1 or self.before.ndim != 3:
            raise TableError(
                f"image '{self.name}': expected before, after and mask of one shape (z, y, x), "
                f"got {sorted(shapes)}; bring them onto one grid"
            )
        if not all(np.isfinite(array).all() for array in (self.before, *self.after)):
            raise TableError(
                f"image '{self.name}': expected finite intensities, got NaN or infinity; fill or "
                "crop these voxels before they are shown"
            )


@dataclass(frozen=True)
class Material:
    """Everything beside the scorecard; what is empty makes no section.

    Parameters
    ----------
    shrinkage : tuple of SiteEstimates
    ranges : tuple of TrainingRange
    unseen : mapping of str to int
        Judged cases of sites a model does not know, by site.
    failures : mapping of str to mapping of str to int
        By table: cases that never reached it, by reason code.
    images : tuple of ImageChange
    guarded : tuple of GuardedImages
        What the guards of translations measured, by candidate.
    ratings : ReaderRatings, optional
        What the readers of a blinded study said.
    """

    shrinkage: tuple[SiteEstimates, ...] = ()
    ranges: tuple[TrainingRange, ...] = ()
    unseen: Mapping[str, int] = field(default_factory=dict[str, int])
    failures: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    images: tuple[ImageChange, ...] = ()
    guarded: tuple[GuardedImages, ...] = ()
    ratings: ReaderRatings | None = None
