"""Translations with one change for each site: an invertible curve, or an atlas template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import ConfigError, GeometryError, UnseenSiteError, did_you_mean
from harmonize_kit.flows.translate_by_image import refuse_views
from harmonize_kit.flows.translate_model import Translated, Views
from harmonize_kit.flows.translate_read import ReadCase
from harmonize_kit.translation.atlas_template import AtlasTemplate
from harmonize_kit.translation.box_grid import from_box
from harmonize_kit.translation.places import head_box
from harmonize_kit.translation.site_curve import SiteCurve

SiteMap = SiteCurve | AtlasTemplate
# Grids that registration wrote agree to single precision of their files.
TOLERANCE = 1e-3


class AtlasGrid(BaseModel):
    """Where images were averaged, in the order of the patient's axes.

    Parameters
    ----------
    kind : {"common", "box"}
    shape : tuple of int
        Along z, y and x.
    spacing, origin, direction : tuple of float, optional
        As of :class:`~harmonize_kit.core.volume.Geometry`; of a common grid alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["common", "box"]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None = None
    origin: tuple[float, float, float] | None = None
    direction: tuple[float, ...] | None = None

    @property
    def geometry(self) -> Geometry | None:
        """The common grid; None for a box, which every head has of its own."""
        if self.spacing is None or self.origin is None or self.direction is None:
            return None
        z, y, x = self.shape
        return Geometry((x, y, z), self.spacing, self.origin, self.direction)

    def require(self, grid: Geometry) -> None:
        """Raise GeometryError where images of this grid cannot be laid on the common one."""
        known = self.geometry
        difference = None if known is None else known.difference(grid, TOLERANCE)
        if difference is not None:
            raise GeometryError(
                f"the image lies on another grid than the model was fitted on: {difference}; "
                "register it to the same template (harmonize-kit preprocess --stages register), or "
                "fit with --grid box"
            )

    def laid_on(self, image: NDArray[np.float32], read: ReadCase) -> NDArray[np.float32]:
        """Return an image (c, z, y, x) of this grid on that of a case."""
        if self.kind == "common":
            self.require(read.stack.geometry)
            return image
        return from_box(image, head_box(read.mask), _size(read.mask))


@dataclass(frozen=True)
class BySite:
    """One change for each site, to the reference and back.

    See :class:`.translate_model.TranslationModel`.

    Parameters
    ----------
    modalities : tuple of str
    reference : str
    maps : mapping of str to SiteCurve or AtlasTemplate
        By site, from it to the reference.
    grid : AtlasGrid, optional
        Of what holds for places; None where nothing does.
    """

    modalities: tuple[str, ...]
    reference: str
    maps: Mapping[str, SiteMap]
    grid: AtlasGrid | None

    asks_site = True
    needs_normalised = True

    def require(self, to: str | None, *, sites_told: bool, views: Views) -> None:
        """Refuse a site it was not fitted on, and to guess the site of a case."""
        refuse_views(views)
        known = (self.reference, *self.maps)
        if to is not None and to not in known:
            raise ConfigError(
                f"the model cannot make images of site '{to}'. {did_you_mean(to, known)}"
            )
        if not sites_told and (to not in (None, self.reference) or len(self.maps) > 1):
            raise ConfigError(
                f"the model has another change for each of {', '.join(known)}; say which site a "
                "case is of: --site COLUMN"
            )

    def translate(
        self, read: ReadCase, site: str | None, to: str | None, views: Views
    ) -> Translated | None:
        """Return the images of a case, changed as its site asks for."""
        del views
        target = self.reference if to is None else to
        own = next(iter(self.maps)) if site is None else site
        if own == target:
            return None
        image = read.channels()
        if target == self.reference:
            return Translated(self._map_of(own, read).apply(image, read.mask))
        if own != self.reference:
            raise UnseenSiteError(
                f"this model takes images of {', '.join(self.maps)} to '{self.reference}', and of "
                f"'{self.reference}' to each of them; it cannot take '{own}' to '{target}'"
            )
        return Translated(self._map_of(target, read).undo(image, read.mask))

    def _map_of(self, site: str, read: ReadCase) -> SiteMap:
        if site not in self.maps:
            raise UnseenSiteError(
                f"this model was fitted on {', '.join(self.maps)} and '{self.reference}', and "
                f"knows nothing of '{site}'; fit it with cases of that site, or use a method that "
                "asks for none (zscore, histogram-matching, nyul)"
            )
        known = self.maps[site]
        if self.grid is None:
            return known
        if isinstance(known, AtlasTemplate):
            return AtlasTemplate(self.grid.laid_on(known.difference, read))
        field = None if known.field is None else self.grid.laid_on(known.field, read)
        return replace(known, field=field)


def _size(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    return mask.shape[0], mask.shape[1], mask.shape[2]
