"""The stage that measures the quality of the scans of a case, and leaves them as they are."""

from __future__ import annotations

from typing import Any

from harmonize_kit.config.quality import QualityConfig
from harmonize_kit.preprocess.quality.contrast import Metrics
from harmonize_kit.preprocess.quality.flags import flags_of
from harmonize_kit.preprocess.quality.measure import measure
from harmonize_kit.preprocess.scans import Scans, Staged


def assess_quality(scans: Scans, config: QualityConfig) -> Staged:
    """Measure the quality of each image of a case; nothing is changed.

    A poor image is flagged, not refused: whether it is left out is for the reader of the table to
    decide.

    Parameters
    ----------
    scans : Scans
        A mask of an image is taken for its brain; without one a rough mask is found.
    config : QualityConfig

    Returns
    -------
    Staged
        ``scans`` as they came. ``decided`` holds ``metrics``, by modality and name (None where a
        measure has no meaning), and ``flags``, a list of ``modality``, ``metric``, ``value``,
        ``threshold`` and ``sentence``.
    """
    metrics: dict[str, Metrics] = {}
    flags: list[dict[str, Any]] = []
    notes: list[str] = []
    for modality, volume in scans.images.items():
        measured = measure(volume, config.contrast_of(modality), config)
        metrics[modality] = measured.metrics
        found = flags_of(modality, measured.metrics, config.all_limits)
        flags += found
        prefix = f"quality, {modality}: " if modality else "quality: "
        notes += [prefix + note for note in measured.notes]
        notes += ["quality, " + str(flag["sentence"]) for flag in found]
    return Staged(scans, {"metrics": metrics, "flags": flags}, tuple(notes))
