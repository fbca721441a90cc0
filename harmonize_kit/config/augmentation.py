"""How scans are varied for training."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AugmentationConfig(BaseModel):
    """The most that each change may be; how much it is in one case is drawn evenly below that.

    Defaults are moderate: heads as they may lie in another scanner, contrasts as another protocol
    may give them. What is 0 is left out.

    Parameters
    ----------
    probability : float
        That any one of the changes but the flip is made.
    flip : float
        Probability that left and right are exchanged. 0 unless asked for: brains are not symmetric.
    scale : float
        Change of size along each axis, as a share.
    rotation : float
        Turn about each axis, in degrees.
    shift : float
        Along each axis, in mm.
    bias_field : float
        Coefficient of each term of a cubic polynomial in the logarithm; 0.3 is torchio's.
    log_gamma : float
        Logarithm of the exponent on intensities scaled from 0 to 1.
    blur : float
        Standard deviation of a Gaussian, in mm.
    noise : float
        Standard deviation of Gaussian noise, as a share of that of the intensities inside the mask.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: float = Field(default=0.5, ge=0, le=1)
    flip: float = Field(default=0.0, ge=0, le=1)
    scale: float = Field(default=0.1, ge=0, lt=1)
    rotation: float = Field(default=10.0, ge=0, le=180)
    shift: float = Field(default=5.0, ge=0)
    bias_field: float = Field(default=0.3, ge=0)
    log_gamma: float = Field(default=0.2, ge=0)
    blur: float = Field(default=1.0, ge=0)
    noise: float = Field(default=0.1, ge=0)
