"""How a translation is fitted that needs no network."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["zscore", "histogram-matching", "nyul", "curve", "curve-field", "atlas-template"]
Grid = Literal["common", "box"]
METHODS: tuple[Method, ...] = get_args(Method)
BY_IMAGE: tuple[Method, ...] = ("zscore", "histogram-matching", "nyul")
"""Those that look at an image alone, wherever it comes from."""
ON_GRID: tuple[Method, ...] = ("curve-field", "atlas-template")
"""Those that hold for places, so that images must share a grid."""
SMOOTHING: dict[Method, float] = {"curve-field": 24.0, "atlas-template": 8.0}
"""Standard deviation in mm: a field wider than any gyrus, a template as fine as heads agree.

The mean of a dozen heads still shows whose heads they are. On T1-weighted heads of 2 mm that were
not registered, 6 or 13 a site, a template smoothed by 8 mm came 4.7 or 3.2 dB nearer to the truth
than one by 2 mm, which with 6 was no better than nothing.
"""


class FitConfig(BaseModel):
    """What is fitted, and where.

    Parameters
    ----------
    method : str
        ``zscore``, ``histogram-matching``, ``nyul``: bring each image, of whatever site, to the
        scale or histogram that the reference's images have on average. ``curve``: one invertible
        curve of intensity a modality and site; ``curve-field``: with a smooth field added.
        ``atlas-template``: the difference of mean images is added.
    grid : {"common", "box"}
        Where images are averaged, for the methods that do. ``common``: on the grid that all of
        them lie on, registered to one template. ``box``: on the brain's bounding box, stretched to
        one size, for heads that are not registered.
    smooth : float, optional
        Standard deviation in mm by which what is averaged is smoothed; 24 for a field, 8 for a
        template. With hundreds of heads registered to one template less will do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method
    grid: Grid = "common"
    smooth: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def smoothing(self) -> float:
        """The standard deviation in mm that is meant; 0 for methods that average nothing."""
        return SMOOTHING.get(self.method, 0.0) if self.smooth is None else self.smooth
