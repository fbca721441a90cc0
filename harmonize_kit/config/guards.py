"""When a translated image is flagged."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class GuardConfig(BaseModel):
    """Bounds beyond which a translated image is not to be trusted unseen.

    Scanners differ by contrast, by slow gain and by sharpness; anatomy they do not add. What a
    network does beyond that is suspect, however good it looks (Cohen et al. 2018).

    Parameters
    ----------
    change_at_most : float
        Mean absolute change in units of the image's standard deviation inside the mask. Twice what
        two vendors' T1 contrasts differ by after z-scoring, about half a standard deviation.
    explained_at_least : float
        Share of the change that one intensity curve a tissue and a slow gain explain.
    spread_at_most : float
        Mean spread of the views in the same units, where several were taken.
    lesion_contrast : tuple of float
        Bounds of the lesion's contrast after, as a multiple of that before.
    lesion_volume : tuple of float
        Bounds of the volume that stands out at the lesion after, as a multiple of that before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    change_at_most: Annotated[float, Field(gt=0)] = 1.0
    explained_at_least: Share = 0.5
    spread_at_most: Annotated[float, Field(gt=0)] = 0.25
    lesion_contrast: tuple[float, float] = (0.7, 1.5)
    lesion_volume: tuple[float, float] = (0.7, 1.5)
