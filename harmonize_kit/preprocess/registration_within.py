"""The scans of one subject moved to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.registration_carry import carry_labels
from harmonize_kit.preprocess.registration_pair import Alignment, align
from harmonize_kit.preprocess.registration_quality import describe, dice, doubts, largest_shift
from harmonize_kit.preprocess.registration_view import View, view_of
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.transforms import Affine

# A mask carried from one scan to the other by position lies in both at the same place, and its
# edge says that nobody moved; what lies this far inside knows better.
INSIDE_MM = -4.0
SAME_PLACE = 0.97
# What lies inside says less than the edge, so it must say it clearly.
CLEARLY = 1.1


@dataclass(frozen=True)
class Within:
    """What registration within a subject found.

    Parameters
    ----------
    transforms : mapping of str to Affine
        By modality, from points of the reference to points of that scan; every modality is there.
    found : mapping of str to plain values
        Numbers of each registration, by modality.
    notes : tuple of str
    """

    transforms: Mapping[str, Affine]
    found: Mapping[str, Any]
    notes: tuple[str, ...]


def reference_of(scans: Scans, config: RegistrationConfig) -> str:
    """Return the modality that the others are moved to.

    The one the configuration names; else that with the thinnest thickest side of a voxel, among
    equals that with the smallest voxel, among equals the first.

    Raises
    ------
    PreprocessingError
        If it is not among the images, or there is no image.
    """
    if not scans.images:
        raise PreprocessingError("expected at least one image to register, got none")
    if config.reference is not None:
        if config.reference not in scans.images:
            raise PreprocessingError(
                f"expected the reference '{config.reference}' among the images, got "
                f"{', '.join(scans.images)}; correct reference, or leave it out for the finest"
            )
        return config.reference
    spacings = {name: volume.geometry.spacing for name, volume in scans.images.items()}
    return min(spacings, key=lambda name: (max(spacings[name]), prod(spacings[name])))


def register_within(scans: Scans, reference: str, config: RegistrationConfig) -> Within:
    """Find how each scan moved against the reference.

    Whole heads are registered by all of the head, also where they carry a mask. Stripped ones are
    registered by their brains; where both were cut at the same place, by what lies well inside,
    since one mask may have been cut after the other, and only if that gains a tenth of mutual
    information. A movement below ``least_shift_mm`` counts as none. One that shares less
    information than the scanner's coordinates do is not used, and said.
    """
    transforms, found, notes = dict[str, Affine](), dict[str, Any](), list[str]()
    first = _seen(scans.images[reference])
    fixed = view_of(first, reference) if config.within != "none" and len(scans.images) > 1 else None
    for name, volume in scans.images.items():
        transforms[name] = Affine()
        if name == reference or fixed is None:
            continue
        second = _seen(volume)
        alike = _cut_alike(first, second)
        alignment = _align(fixed, first, second, name, alike, config)
        gain = CLEARLY if alike else 1.0
        used = (
            alignment.information_end >= gain * alignment.information_scanner
            and largest_shift(alignment.transform, fixed) >= config.least_shift_mm
        )
        found[name] = {**describe(alignment, fixed), "used": used, "cut_alike": alike}
        if used:
            transforms[name] = alignment.transform
            notes += doubts(name, found[name], config)
        notes += _said(name, reference, alignment, alike and used)
    return Within(transforms, found, tuple(notes))


def _align(
    fixed: View, first: Volume, second: Volume, name: str, alike: bool, config: RegistrationConfig
) -> Alignment:
    if not alike:
        return align(fixed, view_of(second, name), "rigid", config)
    edgeless = (view_of(volume, name, edgeless=True) for volume in (first, second))
    return align(next(edgeless), next(edgeless), "rigid", config, INSIDE_MM)


def _said(name: str, reference: str, alignment: Alignment, cut_and_moved: bool) -> list[str]:
    if alignment.information_end < alignment.information_scanner:
        return [
            f"no rigid movement of {name} was found that shares more information with "
            f"{reference} than the scanner's coordinates do; it was left where it is"
        ]
    if cut_and_moved:
        return [
            f"{name} moved against {reference}, though both were stripped at the same place: the "
            "mask of one was carried to the other before they were registered, and cuts into its "
            "brain; register before the skull is stripped"
        ]
    return []


def _seen(volume: Volume) -> Volume:
    """Return a scan without its mask, unless it is 0 outside of it."""
    if volume.mask is None or not np.any(volume.array[volume.mask == 0]):
        return volume
    return replace(volume, mask=None)


def _cut_alike(first: Volume, second: Volume) -> bool:
    """Return whether two scans were stripped at the same place in the scanner's coordinates."""
    if first.mask is None or second.mask is None:
        return False
    mask = Volume(second.mask, second.geometry)
    carried = carry_labels(mask, Affine(), first.geometry)
    return dice(carried.array, first.mask) > SAME_PLACE
