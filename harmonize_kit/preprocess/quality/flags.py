"""Which measures of an image lie beyond their limits, and what that may mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harmonize_kit.config.quality import Limit
from harmonize_kit.preprocess.quality.contrast import Metrics

MEANING = {
    "cjv": "grey and white matter overlap much (noise, motion, nonuniformity)",
    "cnr": "there is little contrast between grey and white matter for the noise",
    "snr_total": "there is little signal for the noise in the tissues",
    "snrd_total": "there is little signal for the noise of the air",
    "efc": "energy is spread over the whole image (ghosts, motion, much noise)",
    "qi_1": "the air holds structured signal (ghosts, wrapping, motion)",
    "inu_range": "one tissue is unevenly bright over the brain",
    "gsr_x": "there is a ghost half a field of view away, left-right",
    "gsr_y": "there is a ghost half a field of view away, front-back",
    "gsr_z": "there is a ghost half a field of view away, up-down",
    "slice_jump": "a slice is brighter or darker than its neighbours",
    "odd_even": "odd and even slices differ in brightness",
    "nonfinite": "voxels are NaN or infinite",
    "constant": "all voxels have one value",
    "slices": "there are few slices",
    "duplicated_slices": "slices repeat their neighbours bit for bit",
    "missing_slices": "slices between others are constant",
    "cut_top": "the top of the head is cut off",
    "cut_brain": "the brain reaches the edge of the field of view",
    "saturated": "the brightest voxels are clipped at one value",
    "wrapped": "values seem to have overflowed their integer type",
}


def flags_of(modality: str, metrics: Metrics, limits: Mapping[str, Limit]) -> list[dict[str, Any]]:
    """Return a flag for each measure beyond its limits, in the order of the limits.

    A measure that is missing raises no flag.

    Returns
    -------
    list of dict
        ``modality``, ``metric``, ``value``, ``threshold`` and ``sentence`` of each.
    """
    flags: list[dict[str, Any]] = []
    for metric, limit in limits.items():
        value = metrics.get(metric)
        if value is None:
            continue
        for threshold, beyond, side in (
            (limit.below, limit.below is not None and value < limit.below, "below"),
            (limit.above, limit.above is not None and value > limit.above, "above"),
        ):
            if beyond and threshold is not None:
                flags.append(
                    {
                        "modality": modality, "metric": metric, "value": value,
                        "threshold": threshold,
                        "sentence": _sentence(modality, metric, value, side, threshold),
                    }
                )  # fmt: skip
    return flags


def _sentence(modality: str, metric: str, value: float, side: str, threshold: float) -> str:
    of = f"{modality}: " if modality else ""
    why = f": {MEANING[metric]}" if metric in MEANING else ""
    return f"{of}{metric} {value:.4g} is {side} {threshold:g}{why}"
