"""Masks and labels carried to images that stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.registration_carry import carry_labels
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.transforms import Affine


def mask_source(scans: Scans, reference: str) -> str | None:
    """Return the modality whose mask serves images that have none: the reference, or the first."""
    having = [name for name, volume in scans.images.items() if volume.mask is not None]
    return reference if reference in having else next(iter(having), None)


def carry_to_native(
    scans: Scans, reference: str, transforms: Mapping[str, Affine]
) -> tuple[Scans, dict[str, Volume]]:
    """Return the same images with a mask each, and the labels on the grid of each other image.

    Parameters
    ----------
    scans : Scans
    reference : str
    transforms : mapping of str to Affine
        By modality, from points of the reference to points of that scan. They are rigid, so that
        their inverses are exact.
    """
    source = mask_source(scans, reference)
    images = dict(scans.images)
    labels: dict[str, Volume] = {}
    for name, volume in scans.images.items():
        back = transforms[name].inverse()
        if volume.mask is None and source is not None:
            brain = scans.images[source]
            mask = Volume(brain.mask, brain.geometry) if brain.mask is not None else brain
            carried = carry_labels(mask, back.then(transforms[source]), volume.geometry)
            images[name] = replace(volume, mask=carried.array)
        if scans.labels is not None and name != scans.drawn_on:
            path = back.then(transforms[scans.drawn_on])
            labels[f"labels_{name}"] = carry_labels(scans.labels, path, volume.geometry)
    return replace(scans, images=images), labels
