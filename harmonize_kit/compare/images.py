"""Images before and after, with or without the truth: scores of a candidate from its cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Flags, Floats
from harmonize_kit.compare.image_similarity import (
    histogram_distance,
    normalised_mutual_information,
    peak_signal_to_noise,
    structural_similarity,
)
from harmonize_kit.compare.lesion_contrast import lesion_contrast
from harmonize_kit.compare.resampling import percentile_interval
from harmonize_kit.core.scorecard import Score
from harmonize_kit.errors import InputError

LOWER_IS_BETTER = frozenset({"histogram_distance", "lesion_contrast_error"})
SELF = "self-similarity: against the image before, where one left as it is scores best"


@dataclass(frozen=True)
class ImageCase:
    """One head before and after, and where it exists on the scanner that is aimed at.

    Parameters
    ----------
    subject : str
    before, after : ndarray, shape (z, y, x)
    mask : ndarray of bool, shape (z, y, x)
        Voxels that are judged.
    truth : ndarray, shape (z, y, x), optional
        The same head as the scanner that is aimed at shows it, on the same grid.
    lesion : ndarray of bool, shape (z, y, x), optional
    """

    subject: str
    before: Floats
    after: Floats
    mask: Flags
    truth: Floats | None = None
    lesion: Flags | None = None


def measure_case(case: ImageCase) -> dict[str, float]:
    """Return the metrics of one case by name.

    With a truth, ``image_ssim``, ``image_psnr``, ``image_nmi``, ``image_histogram_distance`` and
    ``image_lesion_contrast_error`` hold the image after against it; without, the same with
    ``image_self_`` hold it against the image before. Intensities range as those of the image it
    is held against, in the mask.

    Raises
    ------
    InputError
        If shapes differ, the mask is empty, an intensity in it is not finite, or the image it is
        held against is constant there.
    """
    aim = case.before if case.truth is None else case.truth
    _check(case, aim)
    prefix = "image_self_" if case.truth is None else "image_"
    inside = aim[case.mask]
    extent = float(inside.max() - inside.min())
    # Beyond the mask nothing is judged, but windows reach there and must not meet a NaN.
    after, aimed = (np.where(np.isfinite(x), x, 0.0) for x in (case.after, aim))
    found = {
        "ssim": structural_similarity(after, aimed, extent, case.mask),
        "psnr": peak_signal_to_noise(after, aimed, extent, case.mask),
        "nmi": normalised_mutual_information(after, aimed, case.mask),
        "histogram_distance": histogram_distance(after, aimed, case.mask),
    }
    if case.lesion is not None:
        wanted = lesion_contrast(aim, case.lesion, case.mask)
        got = lesion_contrast(case.after, case.lesion, case.mask)
        if wanted is not None:
            found["lesion_contrast_error"] = abs((got or 0.0) - wanted)
    return {f"{prefix}{name}": value for name, value in found.items()}


def image_scores(
    candidate: str,
    measured: Iterable[tuple[str, Mapping[str, float]]],
    *,
    target: str = "image",
    bootstraps: int = 500,
    seed: int = 0,
) -> list[Score]:
    """Return the mean of each metric over cases, with its interval over subjects.

    Parameters
    ----------
    candidate : str
    measured : iterable of (str, mapping)
        Subject and metrics of each case, as :func:`measure_case` returns them.
    target : str
        What was imaged: the modality.
    bootstraps, seed : int
    """
    cases = list(measured)
    names = list(dict.fromkeys(name for _, metrics in cases for name in metrics))
    rng = np.random.default_rng([seed, 4])
    people, codes = np.unique([subject for subject, _ in cases], return_inverse=True)
    drawn = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=bootstraps)
    scores: list[Score] = []
    for name in names:
        rows = [row for row, (_, metrics) in enumerate(cases) if name in metrics]
        values = np.array([cases[row][1][name] for row in rows], dtype=np.float64)
        weights = drawn[:, codes[rows]].astype(np.float64)
        told = weights.sum(axis=1) > 0
        means = weights[told] @ values / weights[told].sum(axis=1)
        scores.append(
            Score(
                candidate,
                "biology",
                name,
                target,
                float(values.mean()),
                higher_is_better=name.removeprefix("image_").removeprefix("self_")
                not in LOWER_IS_BETTER,
                interval=percentile_interval(means),
                note=f"{len(rows)} images" + (f"; {SELF}" if "_self_" in name else ""),
            )
        )
    return scores


def _check(case: ImageCase, aim: Floats) -> None:
    others = (case.after, aim, case.mask) + (() if case.lesion is None else (case.lesion,))
    if any(array.shape != case.before.shape for array in others):
        raise InputError(
            f"images of '{case.subject}': expected one shape, got "
            f"{sorted({array.shape for array in (case.before, *others)})}; bring them to one grid"
        )
    if not case.mask.any():
        raise InputError(
            f"images of '{case.subject}': the mask is empty, so there is nothing to judge; check it"
        )
    if not (np.isfinite(case.after[case.mask]).all() and np.isfinite(aim[case.mask]).all()):
        raise InputError(
            f"images of '{case.subject}': expected finite intensities in the mask, got some that "
            "are not; mend the image or the mask"
        )
    inside = aim[case.mask]
    if inside.max() == inside.min():
        raise InputError(
            f"images of '{case.subject}': the image compared with is constant in the mask, so no "
            "likeness can be told; check the image and the mask"
        )
