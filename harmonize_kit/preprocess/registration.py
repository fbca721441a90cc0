"""The scans of a subject brought together, and onto a template, with one interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.registration_carry import carry_image, carry_labels
from harmonize_kit.preprocess.registration_native import carry_to_native, mask_source
from harmonize_kit.preprocess.registration_pair import align
from harmonize_kit.preprocess.registration_quality import describe, dice, doubts
from harmonize_kit.preprocess.registration_view import View, view_of
from harmonize_kit.preprocess.registration_within import reference_of, register_within
from harmonize_kit.preprocess.resampling_labels import label_volumes_ml
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.template import load_template, output_geometry
from harmonize_kit.preprocess.transforms import Affine

# Relative change of a label's volume, beyond that of the head, that is worth a look.
CHANGED = 0.1


def register(scans: Scans, config: RegistrationConfig) -> Staged:
    """Register the scans of a case to each other and to a template.

    Within the subject, every scan is moved rigidly to the reference; the reference is moved to the
    template; each image is then resampled once, along both. Masks go with their images, labels
    with the image they were drawn on, both by nearest neighbour. On the common grid an image that
    has no mask takes the reference's, or the first there is. In native mode the images stay, and
    masks and labels go to each of them instead.

    Against a template, only the brain is looked at where it is known (a mask, or an image that is
    0 outside a brain). A whole head is registered by its brain too, but less surely. Where one
    brain mask is to serve several scans, register them to each other before the skull is stripped:
    a mask carried by position to a scan that moved cuts into its brain.

    Parameters
    ----------
    scans : Scans
    config : RegistrationConfig

    Returns
    -------
    Staged
        Byproducts: ``transform_<modality>``, an ITK transform file that maps points of the common
        grid to points of the native scan, as ``sitk.Resample`` takes it; in native mode
        ``labels_<modality>``, the labels on the grid of each other image.

    Raises
    ------
    ConfigError, ImageError
        If a template given by path cannot be read.
    PreprocessingError
        If the reference is not among the images, the labels are drawn on none of them, or images
        cannot be made to overlap.
    """
    reference = reference_of(scans, config)
    _require_drawn_on(scans)
    within = register_within(scans, reference, config)
    decided: dict[str, Any] = {"mode": config.mode, "reference": reference}
    if within.found:
        decided["within"] = dict(within.found)
    to_template, notes = Affine(), list(within.notes)
    if config.uses_template:
        to_template, decided["template"] = _to_template(scans.images[reference], config)
        notes += doubts(reference or "the image", decided["template"], config)
    transforms = {name: to_template.then(moved) for name, moved in within.transforms.items()}
    byproducts: dict[str, Volume | str] = {
        f"transform_{name}".rstrip("_"): moved.text() for name, moved in transforms.items()
    }
    if config.mode == "native":
        carried, labels = carry_to_native(scans, reference, within.transforms)
        return Staged(carried, decided, tuple(notes), {**byproducts, **labels})
    geometry = scans.images[reference].geometry
    if config.uses_template:
        geometry = output_geometry(config, load_template(config))
    decided["grid"] = {"size": list(geometry.size), "spacing": list(geometry.spacing)}
    moved = _onto_grid(scans, reference, transforms, geometry, config)
    if scans.labels is not None and moved.labels is not None:
        growth = 1.0 / abs(float(np.linalg.det(transforms[scans.drawn_on].linear)))
        decided["labels_ml"], more = _label_volumes(scans.labels, moved.labels, growth)
        notes += more
    return Staged(moved, decided, tuple(notes), byproducts)


def _require_drawn_on(scans: Scans) -> None:
    if scans.labels is not None and scans.drawn_on not in scans.images:
        raise PreprocessingError(
            f"expected labels drawn on one of the images {', '.join(scans.images)}, got "
            f"'{scans.drawn_on}'; say which image the mask belongs to"
        )


def _to_template(reference: Volume, config: RegistrationConfig) -> tuple[Affine, dict[str, Any]]:
    """Return the transform from the template to the reference, and its numbers."""
    template = load_template(config)
    fixed = _template_view() if config.template == "mni152" else view_of(template, "the template")
    freedom = "affine" if config.to_template == "affine" else "rigid"
    alignment = align(fixed, view_of(reference, "the image"), freedom, config)
    found = {"name": config.template, "freedom": freedom, **describe(alignment, fixed)}
    if reference.mask is not None and template.mask is not None:
        brain = Volume(reference.mask, reference.geometry)
        carried = carry_labels(brain, alignment.transform, template.geometry)
        found["dice"] = round(dice(carried.array, template.mask), 4)
    return alignment.transform, found


@lru_cache(maxsize=1)
def _template_view() -> View:
    return view_of(load_template(RegistrationConfig()), "the template")


def _onto_grid(
    scans: Scans,
    reference: str,
    transforms: Mapping[str, Affine],
    geometry: Geometry,
    config: RegistrationConfig,
) -> Scans:
    """Return images, masks and labels on the common grid, each interpolated once."""
    images = {
        name: carry_image(volume, transforms[name], geometry, config.interpolation)
        for name, volume in scans.images.items()
    }
    source = mask_source(scans, reference)
    if source is not None:
        shared = images[source].mask
        images = {
            name: volume if volume.mask is not None else replace(volume, mask=shared)
            for name, volume in images.items()
        }
    labels = scans.labels
    if labels is not None:
        labels = carry_labels(labels, transforms[scans.drawn_on], geometry)
    return Scans(images, labels, scans.drawn_on)


def _label_volumes(
    before: Volume, after: Volume, growth: float
) -> tuple[dict[str, list[float]], list[str]]:
    """Return the volume of each label before and after, and what is not the growth of the head."""
    had, has = label_volumes_ml(before), label_volumes_ml(after)
    volumes = {str(label): [ml, has.get(label, 0.0)] for label, ml in had.items()}
    notes = [
        f"label {label} had {first:.3g} ml and has {second:.3g} ml after registration, expected "
        f"{first * growth:.3g} ml from the size of the head; look at it"
        for label, (first, second) in volumes.items()
        if abs(second - first * growth) > CHANGED * first * growth
    ]
    return volumes, notes
