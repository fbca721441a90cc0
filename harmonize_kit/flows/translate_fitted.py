"""A fitted translation as a folder: ``model.json`` and ``arrays.npz``.

It holds what it was fitted with, how many cases of which sites it saw, the digest of their files,
and what they have in common. No subject and no subject's image is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from harmonize_kit.config.translate_fit import BY_IMAGE, FitConfig
from harmonize_kit.errors import IntegrityError
from harmonize_kit.flows.translate_by_image import ByImage
from harmonize_kit.flows.translate_by_site import AtlasGrid, BySite, SiteMap
from harmonize_kit.preprocess.intensity_fit import from_document, to_document
from harmonize_kit.provenance import versions
from harmonize_kit.storage.sealed import SealedFormat
from harmonize_kit.translation.atlas_template import AtlasTemplate
from harmonize_kit.translation.site_curve import SiteCurve

FORMAT = SealedFormat(
    "harmonize-kit/fitted-translation", 1, "model.json", "translation",
    noun="fitted translation", writer="translate fit", remedy="fit anew",
)  # fmt: skip
Arrays = Mapping[str, NDArray[Any]]


class FittedOn(BaseModel):
    """What ``model.json`` says of a fit.

    Parameters
    ----------
    config : FitConfig
    modalities : tuple of str
    reference : str
    sites : tuple of str
        Those with a change of their own.
    cases : mapping of str to int
        Training cases, by site.
    left_out : int
        Training cases that could not be read.
    trained_on_sha256 : str
        Digest of the content of their files.
    intensity : mapping, optional
        Of :func:`~harmonize_kit.preprocess.intensity_fit.to_document`.
    grid : AtlasGrid, optional
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: FitConfig
    modalities: tuple[str, ...]
    reference: str
    sites: tuple[str, ...]
    cases: dict[str, int]
    left_out: int
    trained_on_sha256: str
    intensity: dict[str, Any] | None = None
    grid: AtlasGrid | None = None


def save_fitted(model: ByImage | BySite, told: FittedOn, folder: Path) -> None:
    """Write a fitted translation as a whole folder; one that is there is replaced."""
    if isinstance(model, ByImage):
        document, arrays = to_document(model.intensity)
        told = told.model_copy(update={"intensity": document})
        arrays |= {"mean": model.mean, "sd": model.sd}
    else:
        told = told.model_copy(update={"grid": model.grid})
        arrays = dict[str, NDArray[Any]]()
        for place, site in enumerate(told.sites):
            arrays |= {f"{name}{place}": array for name, array in _arrays(model.maps[site]).items()}
    made_by = {"command": "translate fit", "versions": versions()}
    FORMAT.save(folder, told.config.method, told.model_dump(mode="json"), arrays, made_by)


class ReadFitted(NamedTuple):
    """A fitted translation, what it says of itself, and what made it."""

    model: ByImage | BySite
    told: FittedOn
    made_by: Mapping[str, Any]


def read_fitted(folder: Path) -> ReadFitted:
    """Read a folder and prove that it is what was written.

    Raises
    ------
    ConfigError, IntegrityError
        As :meth:`.sealed.SealedFormat.load`; IntegrityError also where parts do not fit together.
    """
    stored = FORMAT.load(folder)
    try:
        told = FittedOn.model_validate(stored.document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise IntegrityError(f"{folder}: field '{where}': {first['msg']}; fit anew") from error
    if told.config.method in BY_IMAGE:
        return ReadFitted(_by_image(told, stored.arrays, str(folder)), told, stored.made_by)
    maps = {
        site: _map(told, place, stored.arrays, str(folder)) for place, site in enumerate(told.sites)
    }
    if not maps:
        raise IntegrityError(f"{folder}: it holds no site's change; fit anew")
    model = BySite(told.modalities, told.reference, maps, told.grid)
    return ReadFitted(model, told, stored.made_by)


def _by_image(told: FittedOn, arrays: Arrays, source: str) -> ByImage:
    intensity = from_document(told.intensity or {}, arrays, source)
    shape = (len(told.modalities),)
    mean, sd = (_finite(arrays, name, shape, source) for name in ("mean", "sd"))
    return ByImage(told.modalities, told.reference, intensity, mean, sd)


def _map(told: FittedOn, place: int, arrays: Arrays, source: str) -> SiteMap:
    channels, grid = len(told.modalities), told.grid
    on_grid = None if grid is None else (channels, *grid.shape)
    if told.config.method == "atlas-template":
        difference = _finite(arrays, f"difference{place}", on_grid, source)
        return AtlasTemplate(difference.astype(np.float32))
    knots = _finite(arrays, f"knots{place}", None, source)
    values = _finite(arrays, f"values{place}", knots.shape, source)
    rising = all((np.diff(points, axis=-1) > 0).all() for points in (knots, values))
    if knots.ndim != 2 or len(knots) != channels or not rising:
        raise IntegrityError(f"{source}: expected {channels} rising curves; fit anew")
    if on_grid is None:
        return SiteCurve(knots, values, None)
    field = _finite(arrays, f"field{place}", on_grid, source)
    return SiteCurve(knots, values, field.astype(np.float32))


def _arrays(known: SiteMap) -> dict[str, NDArray[Any]]:
    if isinstance(known, AtlasTemplate):
        return {"difference": known.difference}
    field = {} if known.field is None else {"field": known.field}
    return {"knots": known.knots, "values": known.values, **field}


def _finite(
    arrays: Arrays, name: str, shape: tuple[int, ...] | None, source: str
) -> NDArray[np.float64]:
    array = arrays.get(name)
    if array is None or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise IntegrityError(f"{source}: expected finite numbers as '{name}'; fit anew")
    if shape is not None and array.shape != shape:
        raise IntegrityError(
            f"{source}: expected '{name}' of shape {shape}, got {array.shape}; fit anew"
        )
    return array.astype(np.float64)
