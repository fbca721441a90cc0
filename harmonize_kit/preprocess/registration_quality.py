"""What registration found, in numbers, and whether a head can be so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.preprocess.registration_pair import Alignment
from harmonize_kit.preprocess.registration_view import View, points_inside
from harmonize_kit.preprocess.transforms import Affine

# A head in a scanner is not turned further; beyond, the orientation in the header is wrong.
LARGEST_TURN_DEG = 50.0


def describe(alignment: Alignment, fixed: View) -> dict[str, Any]:
    """Return the numbers of an alignment, as JSON knows them.

    ``information`` is Mattes mutual information in nats where the scanner's coordinates put the
    scans, at the rough guess, and at the end; ``refined`` is False where the end is that guess,
    for want of a better one. ``stretch`` says how much longer the moving scan was
    made along its three principal directions, ``rotation_deg`` and ``shift_mm`` what moved it.
    """
    movement = alignment.transform.inverse()
    middle = np.asarray([alignment.transform.centre])
    shift = middle - alignment.transform.apply(middle)
    return {
        "information": {
            "scanner": round(alignment.information_scanner, 6),
            "start": round(alignment.information_start, 6),
            "end": round(alignment.information_end, 6),
        },
        "refined": alignment.refined,
        "rotation_deg": _rounded(movement.rotation()),
        "shift_mm": _rounded(shift[0]),
        "stretch": _rounded(movement.stretches()),
        "largest_shift_mm": round(largest_shift(alignment.transform, fixed), 4),
    }


def largest_shift(transform: Affine, fixed: View) -> float:
    """Return how far the point that moves most in the fixed scan's foreground moves, in mm."""
    points = points_inside(fixed.foreground())
    if len(points) == 0:
        return float(np.linalg.norm(transform.translation))
    # An affine map moves some corner of a box round the points most.
    box = np.asarray(np.meshgrid(*zip(points.min(axis=0), points.max(axis=0), strict=True)))
    corners = box.reshape(3, -1).T
    return float(np.linalg.norm(transform.apply(corners) - corners, axis=1).max())


def doubts(name: str, found: dict[str, Any], config: RegistrationConfig) -> list[str]:
    """Return a sentence for each number that a head is unlikely to have."""
    notes: list[str] = []
    low, high = config.scale_limits
    stretch, turns = found["stretch"], found["rotation_deg"]
    if not all(low <= factor <= high for factor in stretch):
        notes.append(
            f"{name} was stretched by {', '.join(f'{factor:.2f}' for factor in stretch)} to fit, "
            f"expected factors from {low:g} to {high:g}; look at the overlay"
        )
    if max(abs(angle) for angle in turns) > LARGEST_TURN_DEG:
        notes.append(
            f"{name} was turned by {', '.join(f'{angle:.0f}' for angle in turns)} degrees about "
            "x, y, z to fit; look at the overlay, and at the orientation in the header"
        )
    if not found["refined"]:
        notes.append(
            f"registration of {name} found nothing better than its rough start, which is used "
            f"(mutual information {found['information']['start']:.3f}); look at the overlay"
        )
    if found.get("dice") is not None and found["dice"] < config.dice_limit:
        notes.append(
            f"the brain of {name} overlaps the template's by a Dice of {found['dice']:.3f}, "
            f"expected at least {config.dice_limit:g}; look at the overlay and the mask"
        )
    return notes


def dice(mask: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the Dice overlap of two masks on one grid: 1 where they are the same."""
    first, second = mask != 0, other != 0
    both = int(np.count_nonzero(first & second))
    return 2.0 * both / max(int(np.count_nonzero(first)) + int(np.count_nonzero(second)), 1)


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) + 0.0 for value in values]
