"""Settings of the removal of all that is not brain."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harmonize_kit.errors import did_you_mean

OWN_METHODS = ("deepbet", "mask")
GROUP = "harmonize_kit.skull_strip"
Millilitres = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


def offered_methods() -> dict[str, EntryPoint]:
    """Return the methods that installed packages offer, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


class SkullStripConfig(BaseModel):
    """Where the brain mask comes from, and what is plausible as a brain.

    Parameters
    ----------
    method : str
        ``deepbet``: a network for T1-weighted heads whose weights come with its package (Fisch et
        al. 2024, Comput Biol Med 179:108845); ``mask``: the mask the reference image carries, as
        the user gave it; or the name of an entry point of the group ``harmonize_kit.skull_strip``
        of another package, which loads a function that takes a ``Volume`` and returns an array of
        its shape, not 0 in the brain.
    reference : str, optional
        Modality whose brain is looked for; None is the T1-weighted one by its name, or the only
        one.
    threshold : float
        Share of its votes from which the network calls a voxel brain.
    dilate : int
        Layers of voxels added to the mask of the network, or removed from it where negative: 0
        is its own edge, 1 or 2 keep more of the fluid around the brain.
    plausible_ml : tuple of float
        Smallest and largest volume of a brain, in ml, that passes without a note. Measured adult
        brains lie between about 900 and 1800 ml with the fluid in and around them; a mask far from
        that has lost a lobe or kept the skull.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field(default="deepbet", min_length=1)
    reference: str | None = None
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    dilate: int = Field(default=0, ge=-10, le=10)
    plausible_ml: tuple[Millilitres, Millilitres] = (800.0, 2100.0)

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in OWN_METHODS and method not in (offered := offered_methods()):
            raise ValueError(
                f"unknown method '{method}'. {did_you_mean(method, [*OWN_METHODS, *offered])}"
            )
        return method

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.plausible_ml[0] >= self.plausible_ml[1]:
            raise ValueError(
                f"plausible_ml must be (low, high) with low below high, got {self.plausible_ml}"
            )
        return self
