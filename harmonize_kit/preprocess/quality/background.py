"""Measures of the air around the head, and of the image as a whole."""

from __future__ import annotations

import numpy as np

from harmonize_kit.core.volume import Geometry
from harmonize_kit.preprocess.quality.air import find_artefacts, qi_1, qi_2
from harmonize_kit.preprocess.quality.contrast import Metrics
from harmonize_kit.preprocess.quality.energy import efc, fber
from harmonize_kit.preprocess.quality.ghosting import ghost_to_signal
from harmonize_kit.preprocess.quality.grid import anatomical_axes
from harmonize_kit.preprocess.quality.noise import summary
from harmonize_kit.preprocess.quality.views import View

BESIDE_MM = 10.0
"""Air nearer to the head is left out of ghosts: blur and motion of the scalp reach into it."""


def background_metrics(
    seen: View, geometry: Geometry, artefact_z: float
) -> tuple[Metrics, dict[str, float] | None]:
    """Return efc, fber, qi_1, qi_2 and gsr_*, and the statistics of the air without artefacts.

    Where the background was wiped, there is no air to measure: all but efc are None.

    Parameters
    ----------
    seen : View
    geometry : Geometry
        Grid of the image.
    artefact_z : float
        See `air.find_artefacts`.
    """
    image = seen.image
    metrics: Metrics = {"efc": efc(image[~seen.empty]), "fber": None, "qi_1": None, "qi_2": None}
    metrics |= {f"gsr_{name}": None for name in "xyz"}
    if seen.silent or not seen.hat.any():
        return metrics, None
    metrics["fber"] = fber(image[seen.head], image[~seen.head & ~seen.empty])
    air = find_artefacts(image, seen.hat, seen.distance, artefact_z)
    metrics["qi_1"] = qi_1(air)
    metrics["qi_2"] = qi_2(image[seen.hat])
    aside = seen.hat & (seen.distance > BESIDE_MM)
    for name, axis in zip("xyz", anatomical_axes(geometry), strict=True):
        metrics[f"gsr_{name}"] = ghost_to_signal(image, seen.head, aside, axis)
    clean = image[air.clean]
    return metrics, summary(np.maximum(clean, 0.0)) if clean.size else None
