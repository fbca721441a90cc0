"""The scans of a subject brought together, and onto a template, with one interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.deformation import Deformation, on_grid
from harmonize_kit.preprocess.registration_carry import Transform, carry_image, carry_labels
from harmonize_kit.preprocess.registration_deformable import deform
from harmonize_kit.preprocess.registration_labels import label_volumes
from harmonize_kit.preprocess.registration_native import carry_to_native, mask_source
from harmonize_kit.preprocess.registration_pair import align
from harmonize_kit.preprocess.registration_quality import describe, dice, doubts
from harmonize_kit.preprocess.registration_view import View, view_of
from harmonize_kit.preprocess.registration_within import reference_of, register_within
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.template import load_template, output_geometry
from harmonize_kit.preprocess.transforms import Affine


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
        grid to points of the native scan, as ``sitk.Resample`` takes it; where it is deformable
        ``inverse_transform_<modality>``, which leads back; in native mode ``labels_<modality>``,
        the labels on the grid of each other image.

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
    to_template: Affine | Deformation = Affine()
    notes = list(within.notes)
    if config.uses_template:
        to_template, decided["template"], more = _to_template(scans.images[reference], config)
        notes += [*more, *doubts(reference or "the image", decided["template"], config)]
    transforms = {name: to_template.then(moved) for name, moved in within.transforms.items()}
    byproducts = _files(transforms)
    if config.mode == "native":
        carried, labels = carry_to_native(scans, reference, within.transforms)
        return Staged(carried, decided, tuple(notes), {**byproducts, **labels})
    geometry = scans.images[reference].geometry
    if config.uses_template:
        geometry = output_geometry(config, load_template(config))
    decided["grid"] = {"size": list(geometry.size), "spacing": list(geometry.spacing)}
    moved = _onto_grid(scans, reference, transforms, geometry, config)
    if scans.labels is not None and moved.labels is not None:
        decided["labels_ml"], more = label_volumes(
            scans.labels, moved.labels, transforms[scans.drawn_on]
        )
        notes += more
    return Staged(moved, decided, tuple(notes), byproducts)


def _require_drawn_on(scans: Scans) -> None:
    if scans.labels is not None and scans.drawn_on not in scans.images:
        raise PreprocessingError(
            f"expected labels drawn on one of the images {', '.join(scans.images)}, got "
            f"'{scans.drawn_on}'; say which image the mask belongs to"
        )


def _to_template(
    reference: Volume, config: RegistrationConfig
) -> tuple[Affine | Deformation, dict[str, Any], tuple[str, ...]]:
    """Return the transform from the template to the reference, its numbers, and notes."""
    template = load_template(config)
    fixed = _template_view() if config.template == "mni152" else view_of(template, "the template")
    moving = view_of(reference, "the image")
    freedom = "rigid" if config.to_template == "rigid" else "affine"
    alignment = align(fixed, moving, freedom, config)
    found = {"name": config.template, "freedom": freedom, **describe(alignment, fixed)}
    found |= _overlap(reference, template, alignment.transform)
    if config.to_template != "deformable":
        return alignment.transform, found, ()
    bent = deform(fixed, moving, alignment.transform, config)
    found["deformable"] = {**bent.found, **_overlap(reference, template, bent.transform)}
    return bent.transform, found, bent.notes


def _overlap(
    reference: Volume, template: Volume, transform: Affine | Deformation
) -> dict[str, float]:
    """Return the Dice of the two brain masks, where both are known."""
    if reference.mask is None or template.mask is None:
        return {}
    brain = Volume(reference.mask, reference.geometry)
    grid = template.geometry
    carried = carry_labels(brain, on_grid({"": transform}, grid)[""], grid)
    return {"dice": round(dice(carried.array, template.mask), 4)}


def _files(transforms: Mapping[str, Affine | Deformation]) -> dict[str, Volume | str]:
    """Return the transforms as texts, with what leads back where that is no affine."""
    texts: dict[str, Volume | str] = {}
    for name, transform in transforms.items():
        texts[f"transform_{name}".rstrip("_")] = transform.text()
        if isinstance(transform, Deformation):
            texts[f"inverse_transform_{name}".rstrip("_")] = transform.inverse_text()
    return texts


@lru_cache(maxsize=1)
def _template_view() -> View:
    return view_of(load_template(RegistrationConfig()), "the template")


def _onto_grid(
    scans: Scans,
    reference: str,
    found: Mapping[str, Affine | Deformation],
    geometry: Geometry,
    config: RegistrationConfig,
) -> Scans:
    """Return images, masks and labels on the common grid, each interpolated once."""
    transforms: Mapping[str, Transform] = on_grid(found, geometry)
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
