"""The voxels whose intensities a method is about, and the way back into a volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import Foreground
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError


class Normalized(NamedTuple):
    """A volume of other intensities, what was found and decided on the way, and what to know."""

    volume: Volume
    decided: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Voxels:
    """The foreground of a volume.

    Parameters
    ----------
    volume : Volume
        With the mask that travels on.
    inside : ndarray of bool, shape (z, y, x)
    values : ndarray, shape (n,)
        Intensities inside, finite, in the order of the array.
    taken : {"mask", "nonzero", "whole"}
        What the foreground is.
    """

    volume: Volume
    inside: NDArray[np.bool_]
    values: NDArray[np.float64]
    taken: Foreground

    def become(self, values: NDArray[np.float64], **decided: Any) -> Normalized:
        """Return the volume with these intensities inside, as float32, and exactly 0 outside."""
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        if not np.isfinite(single).all():
            raise PreprocessingError("the normalised intensities exceed what float32 can hold")
        array = np.zeros(self.inside.shape, dtype=np.float32)
        array[self.inside] = single
        found = {"foreground": self.taken, "voxels": len(values), **decided}
        notes = () if self.taken != "nonzero" else (
            "the image carries no mask: its voxels that are not 0 were taken as the foreground",
        )  # fmt: skip
        return Normalized(self.volume.with_array(array), found, notes)


def foreground_of(volume: Volume, foreground: Foreground, constant: bool = False) -> Voxels:
    """Return the foreground of ``volume``.

    Parameters
    ----------
    volume : Volume
    foreground : {"mask", "nonzero", "whole"}
        See :class:`harmonize_kit.config.intensity_methods.MethodConfig`.
    constant : bool
        Whether a foreground of one intensity will do.

    Raises
    ------
    PreprocessingError
        If there is no mask where one is asked for, or the foreground is empty, holds values that
        are not finite, or is constant.
    """
    if foreground == "whole":
        inside, taken = np.ones(volume.array.shape, dtype=np.bool_), foreground
    elif volume.mask is not None:
        inside, taken = volume.mask != 0, "mask"
    elif foreground == "nonzero":
        inside, taken = volume.array != 0, foreground
        volume = replace(volume, mask=inside.astype(np.uint8))
    else:
        raise PreprocessingError(
            "expected an image with a mask of its foreground, got none; run the stage 'strip' "
            "before, give a mask, or, for a skull-stripped image, set 'foreground: nonzero'"
        )
    values = volume.array[inside].astype(np.float64)
    if not len(values):
        raise PreprocessingError("the foreground is empty; check the mask")
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values))
        raise PreprocessingError(f"{bad} voxels of the foreground are NaN or infinite")
    if not constant and values.min() == values.max():
        raise PreprocessingError(
            f"expected intensities that differ, got {values[0]:.6g} in the whole foreground"
        )
    return Voxels(volume, inside, values, taken)
