"""compare_images: images of the same heads, before and after, against a truth or each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.compare.images import ImageCase, image_scores, measure_case
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import GeometryError, InputError, TableError

Images = Mapping[str, Volume]
Flags = NDArray[np.bool_]


def compare_images(
    candidates: Mapping[str, Images],
    *,
    truth: Images | None = None,
    subjects: Mapping[str, str] | None = None,
    target: str = "image",
    config: CompareConfig | None = None,
    regions: Mapping[str, Flags] | None = None,
) -> Scorecard:
    """Judge harmonized images against the truth where it exists, else say how far they changed.

    With a truth (the same heads on the scanner that is aimed at) SSIM, PSNR, NMI, histogram
    distance and the error of lesion contrast say how right the images of each candidate are, the
    first included. Without, the same measures are named self-similarity and hold the others
    against the first: an image left as it is scores best there, so they are no merit.

    Images are read when they are needed, one case at a time, so a mapping may open files.

    Parameters
    ----------
    candidates : mapping of str to mapping of str to Volume
        By name, the images by case id. The first is the state before, and says which cases are
        judged; the mask of its images, where there is one, is the lesion.
    truth : mapping of str to Volume, optional
        By case id.
    subjects : mapping of str to str, optional
        Subject by case id; each case is its own subject otherwise.
    target : str
        What was imaged: the modality.
    config : CompareConfig, optional
        Its bootstraps and seed.
    regions : mapping of str to ndarray of bool, shape (z, y, x), optional
        By case id: the voxels that are judged, such as the brain. Without, all that are brighter
        than the darkest, which is right only where the background is the darkest: normalised
        images need regions.

    Returns
    -------
    Scorecard
        Of images alone; :meth:`Scorecard.with_scores` adds them to one of features.

    Raises
    ------
    InputError
        If there is nothing to compare, or an image cannot be judged.
    TableError
        If a case has no image in a candidate or in the truth.
    GeometryError
        If the images of a case lie on different grids.

    Examples
    --------
    >>> found = hk.compare_images({"raw": raw, "gan": made}, truth=one_scanner)  # doctest: +SKIP
    >>> hk.report(card.with_scores(found.scores), "report")  # doctest: +SKIP
    """
    settings = config or CompareConfig()
    names = list(candidates)
    judged = names if truth is not None else names[1:]
    if not judged or not candidates[names[0]]:
        raise InputError(
            "compare_images: expected images of the state before and of a candidate (or a truth), "
            f"got {len(names)} candidates; name the images before first"
        )
    first = candidates[names[0]]
    measured: dict[str, list[tuple[str, dict[str, float]]]] = {name: [] for name in judged}
    for case in first:
        before = first[case]
        aim = None if truth is None else _on_grid(_image(truth, case, "truth"), before, case)
        for name in judged:
            after = before if name == names[0] else _image(candidates[name], case, name)
            inside = None if regions is None else regions[case]
            found = _measure(case, before, _on_grid(after, before, case), aim, inside)
            measured[name].append(((subjects or {}).get(case, case), found))
    scores: list[Score] = []
    for name in judged:
        scores += image_scores(
            name, measured[name], target=target, bootstraps=settings.bootstraps, seed=settings.seed
        )
    about = {"n_images": len(first), "image_truth": truth is not None}
    return Scorecard(tuple(scores), about=about)


def foreground(image: NDArray[np.float64]) -> Flags:
    """Return the voxels that are judged: the background, where there is one, is no content."""
    return np.asarray(image > image.min())


def _measure(
    case: str, before: Volume, after: Volume, truth: Volume | None, inside: Flags | None
) -> dict[str, float]:
    first = before.as_float()
    lesion = None if before.mask is None or not before.mask.any() else before.mask > 0
    aim = None if truth is None else truth.as_float()
    inside = foreground(first if aim is None else aim) if inside is None else inside
    return measure_case(ImageCase(case, first, after.as_float(), inside, aim, lesion))


def _image(images: Images, case: str, name: str) -> Volume:
    if case not in images:
        raise TableError(
            f"images of '{name}': expected one for every case that is judged, got none for id "
            f"'{case}'; leave the case out of the first images, or add it"
        )
    return images[case]


def _on_grid(image: Volume, before: Volume, case: str) -> Volume:
    difference = before.geometry.difference(image.geometry)
    if difference is not None:
        raise GeometryError(
            f"images of '{case}': expected one grid, got {difference}; resample one to the other"
        )
    return image
