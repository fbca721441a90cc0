"""How slices and patches are varied while networks are trained on them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Augmentation(BaseModel):
    """The most that each change of training images may be; how much it is, is drawn evenly.

    Images of both sites are varied alike, with masks, lesions and places in the head. What is 0 is
    left out. By itself this is geometry alone, heads as they might have lain and might have grown,
    and leaves intensities alone, but for what interpolation smooths: with a probability below 1
    networks see sharp images too.

    Parameters
    ----------
    probability : float
        That an image is moved, and, drawn apart, that its intensities are changed.
    rotation : float
        In degrees: of slices in their plane, of patches about each axis.
    scale : float
        Change of size along each axis, as a share.
    shift : float
        Along each axis, as a share of the side of what is shown (a slice, a crop, a patch).
    elastic : float
        Displacement of each of 7 control points an axis of a cubic B-spline, as a share of the
        side. At most 0.1, beyond which space could fold (Choi and Lee 2000).
    bias_field, log_gamma : float
        **They change what separates sites.** A smooth gain (coefficients of a cubic polynomial in
        the logarithm) and an exponent (its logarithm), for each modality, on intensities that run
        from 0 to 1 in the head as it is shown. Both sites get wider alike, and the reference too:
        the generator is taught that any of these looks is the reference's, so it corrects less of
        the differences of this kind. For networks that shall stand new scanners, at that price.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    rotation: Annotated[float, Field(ge=0, le=45)] = 10.0
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    elastic: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    bias_field: Annotated[float, Field(ge=0, le=2)] = 0.0
    log_gamma: Annotated[float, Field(ge=0, le=2)] = 0.0

    @property
    def moves(self) -> bool:
        """Whether images may come to lie elsewhere."""
        sizes = (self.rotation, self.scale, self.shift, self.elastic)
        return self.probability > 0 and any(size > 0 for size in sizes)

    @property
    def recolours(self) -> bool:
        """Whether intensities may change."""
        return self.probability > 0 and (self.bias_field > 0 or self.log_gamma > 0)
