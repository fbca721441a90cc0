"""Intensities relative to the mean of one tissue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harmonize_kit.config.intensity_methods import Contrast, FuzzyCMeansConfig, contrast_of
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import GeometryError, PreprocessingError
from harmonize_kit.preprocess.intensity_foreground import Normalized, foreground_of
from harmonize_kit.preprocess.tissue_classes import tissue_classes
from harmonize_kit.preprocess.tissue_scale import require_scale

ASCENDING: dict[Contrast, tuple[str, str, str]] = {
    "t1": ("csf", "gm", "wm"),
    "t2": ("wm", "gm", "csf"),
    "flair": ("csf", "wm", "gm"),
}
"""Tissues from dark to bright. Proton density is left out: fluid and grey matter are alike."""


def fuzzy_c_means(
    volume: Volume,
    config: FuzzyCMeansConfig | None = None,
    modality: str = "",
    classes_on: Volume | None = None,
) -> Normalized:
    """Return the foreground divided by the mean of one tissue, 0 outside.

    The tissue is the set of voxels for which its class of three is the likeliest (Reinhold et al.
    2019). The package intensity-normalization takes the mean of all voxels, weighted with their
    membership, which grey matter and fluid pull away from the tissue, and starts its classes at
    random.

    Parameters
    ----------
    volume : Volume
        A brain; its foreground and the tissue overlap.
    config : FuzzyCMeansConfig, optional
    modality : str
        Of the image that the classes are found on: its name tells the contrast where ``config``
        does not.
    classes_on : Volume, optional
        Image that the classes are found on, with a mask, on the same grid; None: ``volume``.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite, if the contrast is not
        known, or if the tissue has no voxel here or a mean that is not above 0.
    GeometryError
        If ``classes_on`` lies on another grid.
    """
    config = config or FuzzyCMeansConfig()
    voxels = foreground_of(volume, config.foreground)
    source = voxels if classes_on is None else foreground_of(classes_on, config.foreground)
    difference = volume.geometry.difference(source.volume.geometry)
    if difference is not None:
        raise GeometryError(
            f"fuzzy c-means: expected the image of the classes on the same grid, got {difference}; "
            "register the modalities of a case before"
        )
    order = ASCENDING.get(contrast_of(modality, config.contrast) or "pd")
    if order is None:
        raise PreprocessingError(
            f"the name '{modality}' tells no contrast on which fuzzy c-means finds tissues; state "
            "it as the option 'contrast' (t1, t2 or flair), or find the classes on another "
            "modality with 'classes_from'"
        )
    classes = tissue_classes(replace(source.volume, mask=source.inside))
    tissue = classes.hard()[voxels.inside] == 1 + order.index(config.tissue)
    if not tissue.any():
        raise PreprocessingError(f"no voxel of {config.tissue} lies in the foreground")
    mean = float(np.mean(voxels.values[tissue]))
    require_scale(mean, f"the mean of {config.tissue}")
    return voxels.become(
        voxels.values * (config.to / mean),
        tissue=config.tissue, tissue_mean=mean, tissue_voxels=int(tissue.sum()),
        centres=[float(centre) for centre in classes.centres],
    )  # fmt: skip
