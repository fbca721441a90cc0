"""The scans of a subject brought to one place by moving their grids: not a voxel is interpolated.

A rigid movement needs no new voxels: it changes where the grid of a scan lies, its origin and
direction, and nothing else. So scans can be brought together before the skull is stripped, when
the whole head still tells how it moved, and each is interpolated once, at the end.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.registration_within import reference_of, register_within
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.transforms import Affine


def coregister(scans: Scans, config: RegistrationConfig) -> Staged:
    """Move the scans of a case rigidly to where the head lies in its reference.

    Voxels, spacing, masks and labels stay as they are; what changes is their place in space. What
    is taken by position from one scan to another is right afterwards, a brain mask say.

    Parameters
    ----------
    scans : Scans
    config : RegistrationConfig
        Its ``reference``, ``within`` and what steers the optimizer; nothing of the template.

    Returns
    -------
    Staged
        Byproducts: ``coregistration_<modality>``, an ITK transform file that maps points of the
        reference to points of the scan as it came.

    Raises
    ------
    PreprocessingError
        As :func:`~harmonize_kit.preprocess.registration.register`.
    """
    reference = reference_of(scans, config)
    within = register_within(scans, reference, config)
    images = {
        name: in_place(volume, within.transforms[name]) for name, volume in scans.images.items()
    }
    labels = scans.labels
    if labels is not None:
        labels = in_place(labels, within.transforms[scans.drawn_on])
    texts = {
        f"coregistration_{name}": moved.text()
        for name, moved in within.transforms.items()
        if name != reference
    }
    decided = {"reference": reference, "within": dict(within.found)}
    return Staged(replace(scans, images=images, labels=labels), decided, within.notes, texts)


def in_place(volume: Volume, transform: Affine) -> Volume:
    """Return a volume whose grid was moved, so that ``transform`` is undone.

    Parameters
    ----------
    volume : Volume
    transform : Affine
        Rigid, from points of the reference to points of the volume as it lies.
    """
    if transform.is_identity:
        return volume
    back = transform.inverse()
    geometry = volume.geometry
    x, y, z = (float(value) for value in back.apply(np.asarray([geometry.origin]))[0])
    direction = back.linear @ np.reshape(geometry.direction, (3, 3))
    cosines = tuple(float(cosine) for cosine in direction.ravel())
    return replace(volume, geometry=replace(geometry, origin=(x, y, z), direction=cosines))
