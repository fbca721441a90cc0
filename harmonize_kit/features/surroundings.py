"""How much of an image around a region has a say in its features."""

from __future__ import annotations

from typing import Any

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.features.box import Voxels
from harmonize_kit.features.margins import log_margin, neighbour_margin, wavelet_margin


def needed_margin(config: ExtractionConfig, spacing: tuple[float, float, float]) -> Voxels | None:
    """Return the voxels around a region that an extraction looks at, along x, y, z.

    Parameters
    ----------
    config : ExtractionConfig
    spacing : tuple of float
        Along x, y, z, in mm.

    Returns
    -------
    tuple of int or None
        None where the whole image counts: its mean and spread where it is normalised, its origin
        where it is resampled or sampled on spheres (LBP3D), its largest intensity where a filter is
        scaled by it.
    """
    setting = config.setting
    if setting.get("normalize") or setting.get("resampledPixelSpacing") or setting.get("preCrop"):
        return None
    # One voxel, for the mesh of the shape.
    margins: list[Voxels] = [(1, 1, 1)]
    for name, own in config.imageType.items():
        settings: dict[str, Any] = {**setting, **(own or {})}
        if name == "LoG":
            margins += [log_margin(float(sigma), spacing) for sigma in settings.get("sigma", ())]
        elif name == "Wavelet":
            margins.append(_alike(wavelet_margin(settings)))
        elif name in {"Gradient", "LBP2D"}:
            margins.append(_alike(neighbour_margin(name, settings)))
        elif name != "Original":
            return None
    x, y, z = (max(values) for values in zip(*margins, strict=True))
    return x, y, z


def _alike(voxels: int) -> Voxels:
    return voxels, voxels, voxels
