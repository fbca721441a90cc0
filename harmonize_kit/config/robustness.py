"""How images and masks are perturbed to see which features withstand it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class RobustnessConfig(BaseModel):
    """Which perturbations are applied, each on its own, beside the unperturbed measurement.

    Parameters
    ----------
    translations : tuple of float
        Shifts of the grid by a fraction of a voxel, between 0 and 1, along x, y and z together.
    rotations : tuple of float
        Angles in the plane of the slices, in degrees, about the middle of the region.
    noise : int
        How many times Gaussian noise is added, as strong as that already in the image.
    volume_changes : tuple of float
        Fractions of its volume by which the mask grows, or shrinks where negative.
    seed : int
        Of the noise, and of which voxels at the rim a mask gains or loses.
    confidence : float
        Of the intervals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    translations: tuple[float, ...] = (0.25, 0.5, 0.75)
    rotations: tuple[float, ...] = (-10.0, -5.0, 5.0, 10.0)
    noise: int = Field(default=3, ge=0, le=100)
    volume_changes: tuple[float, ...] = (-0.2, -0.1, 0.1, 0.2)
    seed: int = Field(default=0, ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)

    @field_validator("translations", "rotations", "volume_changes")
    @classmethod
    def _different(cls, amounts: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(amounts)) < len(amounts):
            raise ValueError(f"expected different values, got {_listed(amounts)}")
        return amounts

    @field_validator("translations")
    @classmethod
    def _fraction_of_a_voxel(cls, amounts: tuple[float, ...]) -> tuple[float, ...]:
        return _between(amounts, 0, 1, "fractions of a voxel")

    @field_validator("rotations")
    @classmethod
    def _angle(cls, amounts: tuple[float, ...]) -> tuple[float, ...]:
        return _between(amounts, -180, 180, "degrees")

    @field_validator("volume_changes")
    @classmethod
    def _fraction_of_the_volume(cls, amounts: tuple[float, ...]) -> tuple[float, ...]:
        return _between(amounts, -1, 1, "fractions of the volume")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.translations or self.rotations or self.noise or self.volume_changes):
            raise ValueError("expected at least one perturbation, got none")
        return self


def _between(amounts: tuple[float, ...], low: float, high: float, what: str) -> tuple[float, ...]:
    for amount in amounts:
        if not low < amount < high or amount == 0:
            raise ValueError(
                f"expected {what} between {low} and {high}, other than 0, got {amount:g}"
            )
    return amounts


def _listed(amounts: tuple[float, ...]) -> str:
    return ", ".join(f"{amount:g}" for amount in amounts)
