"""Removal of all that is not brain, by a mask that travels on with the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.config.skull_strip import SkullStripConfig, offered_methods
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import DependencyError, PreprocessingError
from harmonize_kit.preprocess.brain_mask import brain_volume_ml, describe_brain
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.skull_strip_deepbet import deepbet_brain
from harmonize_kit.storage.itk import mask_to_itk, to_itk

BrainFinder = Callable[[Volume], NDArray[Any]]
"""Finds the brain in a head: takes the volume, returns an array of its shape, not 0 in the brain.

An installed package offers one by an entry point of the group ``harmonize_kit.skull_strip``, whose
name is then a method; from Python, :func:`strip_skull` takes any.
"""
T1_NAMES = ("t1", "t1w", "t1n")
# Of a brain on the grid of another image, the share that tells of a field of view cut short.
WHOLE = 0.95


def strip_skull(
    scans: Scans, config: SkullStripConfig, find_brain: BrainFinder | None = None
) -> Staged:
    """Find the brain in one image of a case and set all else to 0, in all of its images.

    The other images take the same mask: voxel by voxel where they share the grid, else by nearest
    neighbour at the same position in space, which supposes that they are registered to each other.
    Every image leaves with the mask as its own. Labels are not touched.

    Parameters
    ----------
    scans : Scans
    config : SkullStripConfig
    find_brain : callable, optional
        Takes the place of ``config.method``.

    Raises
    ------
    DependencyError
        If the packages of the method are not installed.
    PreprocessingError
        If it is not clear which image to look at, or there is no brain in it or under the mask in
        another.
    """
    reference = _reference(scans, config)
    head = scans.images[reference]
    brain, made = _find(head, config, find_brain)
    found, notes = describe_brain(brain, head.geometry, config.plausible_ml)
    t1 = any(reference.lower().startswith(name) for name in T1_NAMES)
    if reference and not t1 and "deepbet" in made:
        notes.append(
            f"deepbet learned from T1-weighted heads, and was given {reference}; look at it"
        )
    masked = replace(head, mask=brain.astype(np.uint8))
    images: dict[str, Volume] = {}
    for modality, volume in scans.images.items():
        mask, more = _carried(masked, volume)
        notes += [note.format(reference=reference, modality=modality) for note in more]
        if not mask.any():
            raise PreprocessingError(
                f"the brain of {reference} lies outside of {modality}; register the images first"
            )
        array = np.where(mask != 0, volume.array, volume.array.dtype.type(0))
        images[modality] = replace(volume, array=array, mask=mask)
    decided = {"reference": reference, **made, **found}
    notes += _labels_outside(scans, images)
    return Staged(Scans(images, scans.labels, scans.drawn_on), decided, tuple(notes))


def _reference(scans: Scans, config: SkullStripConfig) -> str:
    names = list(scans.images)
    if config.reference is not None:
        if config.reference not in names:
            raise PreprocessingError(
                f"expected an image of modality '{config.reference}' to find the brain in, got "
                f"{names}"
            )
        return config.reference
    likely = names if len(names) == 1 else [name for name in names if name.lower() in T1_NAMES]
    if len(likely) != 1:
        raise PreprocessingError(
            f"expected one T1-weighted image (named {', '.join(T1_NAMES)}) to find the brain in, "
            f"got {names}; set 'reference' to the modality to use"
        )
    return likely[0]


def _find(
    head: Volume, config: SkullStripConfig, find_brain: BrainFinder | None
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Return the brain, and what found it."""
    if find_brain is None and config.method == "deepbet":
        brain, versions = deepbet_brain(head, config.threshold, config.dilate)
        made: dict[str, Any] = {"method": "deepbet", **versions}
    elif find_brain is None and config.method == "mask":
        if head.mask is None:
            raise PreprocessingError(
                "expected an image with a brain mask for 'method: mask', got none; give one, or "
                "use another method"
            )
        brain, made = head.mask != 0, {"method": "mask"}
    else:
        find_brain = find_brain or _registered(config.method)
        brain = np.asarray(find_brain(head)) != 0
        made = {"method": _name(find_brain, config)}
    if brain.shape != head.array.shape:
        raise PreprocessingError(
            f"expected a brain mask of shape (z, y, x) = {head.array.shape}, got {brain.shape}"
        )
    if not brain.any():
        raise PreprocessingError("expected a brain, got an empty mask; look at the image")
    return brain, made


def _registered(method: str) -> BrainFinder:
    offered = offered_methods()
    if method not in offered:
        raise DependencyError(
            f"no package that offers the skull strip '{method}' is installed here; install it "
            "where the cases run"
        )
    return offered[method].load()


def _name(find_brain: BrainFinder, config: SkullStripConfig) -> str:
    function = find_brain.func if isinstance(find_brain, partial) else find_brain
    return str(getattr(function, "__qualname__", config.method))


def _carried(masked: Volume, volume: Volume) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the mask on the grid of ``volume``, and what to know of it."""
    if masked.geometry.difference(volume.geometry) is None:
        return np.asarray(masked.mask, dtype=np.uint8), []
    moved = sitk.Resample(
        mask_to_itk(masked), to_itk(volume), sitk.Transform(), sitk.sitkNearestNeighbor
    )
    mask = sitk.GetArrayFromImage(moved)
    notes = [
        "the brain mask of {reference} was carried to the other grid of {modality} by position, "
        "which is right where the two are registered to each other"
    ]
    share = brain_volume_ml(mask != 0, volume.geometry) / brain_volume_ml(
        masked.mask != 0, masked.geometry
    )
    if share < WHOLE:
        notes.append(f"{{modality}} holds {share:.0%} of the brain of {{reference}}")
    return mask, notes


def _labels_outside(scans: Scans, images: dict[str, Volume]) -> list[str]:
    labels, drawn_on = scans.labels, images.get(scans.drawn_on)
    if labels is None or drawn_on is None or labels.geometry.difference(drawn_on.geometry):
        return []
    labelled = labels.array != 0
    outside = np.count_nonzero(labelled & (drawn_on.mask == 0))
    if not outside:
        return []
    share = outside / np.count_nonzero(labelled)
    return [f"{share:.1%} of the labelled voxels ({outside}) lie outside of the brain mask"]
