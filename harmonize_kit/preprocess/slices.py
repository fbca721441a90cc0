"""Axial slices of several modalities as channels, alone or with their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import ConfigError, GeometryError
from harmonize_kit.preprocess.orientation import AxisOrder
from harmonize_kit.preprocess.scans import Scans


@dataclass(frozen=True)
class AxialStack:
    """The axial slices of one case, from the feet to the head.

    Rows run from the patient's front to the back, columns from the right to the left. Nothing is
    copied or interpolated before a slice is asked for: the images are views of the scans.

    Parameters
    ----------
    images : mapping of str to ndarray, shape (n, y, x)
        By modality, in the order of the channels.
    geometry : Geometry
        Grid of the images in this order of axes.
    order : AxisOrder
        How the axes of the scans lie in it.
    mask : ndarray of bool, shape (n, y, x), optional
        Where any modality has foreground; None where none has a mask.
    labels : ndarray, shape (n, y, x), optional
        Regions of interest.
    """

    images: Mapping[str, NDArray[Any]]
    geometry: Geometry
    order: AxisOrder
    mask: NDArray[np.bool_] | None = None
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.geometry.size[2]

    def __getitem__(self, place: int) -> NDArray[Any]:
        """Return one slice, shape (c, y, x)."""
        return np.stack([image[place] for image in self.images.values()])

    def channels(self) -> NDArray[Any]:
        """Return all slices, shape (n, c, y, x); of one modality, a view."""
        images = list(self.images.values())
        return images[0][:, None] if len(images) == 1 else np.stack(images, axis=1)

    def with_neighbours(self, place: int, radius: int = 1) -> NDArray[Any]:
        """Return a slice and ``radius`` neighbours a side, shape (c * (2 radius + 1), y, x).

        Channels run from the feet to the head within each modality. Beyond the ends, the last slice
        stands for those that are not there.

        Raises
        ------
        ConfigError
            If the radius is negative.
        """
        around = neighbours(place, radius, len(self))
        return np.concatenate([image[around] for image in self.images.values()])


def axial_stack(scans: Scans) -> AxialStack:
    """Return the axial slices of a case whose images lie on one grid.

    Raises
    ------
    GeometryError
        If images or labels lie on different grids.
    ConfigError
        If there is no image.

    Examples
    --------
    >>> from harmonize_kit.core.volume import Volume
    >>> coronal = Geometry((4, 3, 5), direction=(1, 0, 0, 0, 0, 1, 0, -1, 0))  # z of the file: back
    >>> volume = Volume(np.zeros((5, 3, 4)), coronal)
    >>> axial_stack(Scans({"t1": volume})).channels().shape
    (3, 1, 5, 4)
    """
    if not scans.images:
        raise ConfigError("expected scans with at least one image, got none")
    first, *others = scans.images
    grid = scans.images[first].geometry
    volumes = {f"image '{name}'": scans.images[name] for name in others}
    volumes |= {} if scans.labels is None else {"the label image": scans.labels}
    for name, volume in volumes.items():
        difference = grid.difference(volume.geometry, 1e-3)
        if difference is not None:
            raise GeometryError(
                f"slices need one grid, and {name} differs from image '{first}': {difference}; "
                "register or resample the images first"
            )
    order = AxisOrder.of(grid)
    masks = [v.mask != 0 for v in scans.images.values() if v.mask is not None]
    return AxialStack(
        {name: order.to_patient(volume.array) for name, volume in scans.images.items()},
        order.geometry(grid),
        order,
        order.to_patient(np.logical_or.reduce(masks)) if masks else None,
        None if scans.labels is None else order.to_patient(scans.labels.array),
    )


def neighbours(place: int, radius: int, count: int) -> NDArray[np.intp]:
    """Return a slice's place and those around it, none beyond the ends.

    Examples
    --------
    >>> neighbours(0, 2, 9).tolist()
    [0, 0, 0, 1, 2]
    """
    if radius < 0:
        raise ConfigError(f"expected a radius of 0 or more slices, got {radius}")
    return np.clip(np.arange(place - radius, place + radius + 1), 0, count - 1)
