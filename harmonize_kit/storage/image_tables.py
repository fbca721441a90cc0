"""A list of images under one mask as a large table: a case is an image, a feature is a voxel."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import CaseError, TableError, did_you_mean
from harmonize_kit.storage.columns import read_text_table, text_frame
from harmonize_kit.storage.identity import find_column, find_id_column
from harmonize_kit.storage.images import read_image, read_mask
from harmonize_kit.storage.large_values import Columns, as_columns, gathered, positions

# Bytes of memory for each voxel of an image that is read: as stored, decompressed, in its type.
IMAGE = 32
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseImage:
    """An image and the id of its case."""

    case: str
    path: Path

    def read(self, grid: Geometry, source: str) -> Volume:
        """Return the image, which must lie on ``grid``.

        Raises
        ------
        TableError
            If it cannot be read or lies elsewhere; the id is named.
        """
        try:
            volume = read_image(self.path)
        except CaseError as error:
            raise TableError(f"{source}, id '{self.case}': {error.message}") from error
        difference = grid.difference(volume.geometry)
        if difference is not None:
            raise TableError(
                f"{source}, id '{self.case}': image and mask must lie on one grid, got "
                f"{difference}; bring all images to the space of the mask first"
            )
        return volume


@dataclass(frozen=True)
class VoxelMask:
    """Which voxels are features: places in the flat array (z, y, x), and the grid."""

    grid: Geometry
    places: NDArray[np.int_]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the voxels, by their position along x, y and z."""
        return tuple(f"voxel_{x}_{y}_{z}" for x, y, z in _voxels(self.places, self.grid))


def _voxels(places: NDArray[np.int_], grid: Geometry) -> list[tuple[int, int, int]]:
    """Return the position along x, y and z of places in the flat array (z, y, x)."""
    z, y, x = np.unravel_index(places, grid.size[::-1])
    return list(zip(x.tolist(), y.tolist(), z.tolist(), strict=True))


def read_voxel_mask(path: Path) -> VoxelMask:
    """Return the voxels of a mask that are not 0.

    Raises
    ------
    TableError
        If it cannot be read or is empty.
    """
    try:
        mask = read_mask(path)
    except CaseError as error:
        raise TableError(f"mask: {error.message}") from error
    places = np.flatnonzero(mask.array)
    if not len(places):
        raise TableError(f"{path.name}: expected a mask with voxels other than 0, got none")
    return VoxelMask(mask.geometry, places)


@dataclass(frozen=True)
class ImagePart:
    """Some images, and some voxels under the mask."""

    source: str
    images: tuple[CaseImage, ...]
    mask: Path
    columns: Columns

    def read(self, at_once: int) -> Iterator[NDArray[Any]]:
        """See :class:`~harmonize_kit.core.large_table.TablePart`."""
        mask = read_voxel_mask(self.mask)
        places = mask.places[self.columns]
        kind = np.dtype(np.float32)
        rows = (self._row(image, mask.grid, places) for image in self.images)
        yield from gathered(rows, min(at_once, len(self.images)), len(places), kind, "C")

    def _row(self, image: CaseImage, grid: Geometry, places: NDArray[np.int_]) -> NDArray[Any]:
        array = image.read(grid, self.source).array
        values = array.reshape(-1)[places].astype(np.float32)
        if not np.isfinite(values).all():
            wrong = int(np.count_nonzero(~np.isfinite(values)))
            first = places[np.argmin(np.isfinite(values)).reshape(1)]
            raise TableError(
                f"{self.source}, id '{image.case}': expected finite voxels under the mask, got "
                f"{wrong} that are not, the first at {_voxels(first, grid)[0]} (x, y, z) of "
                f"{image.path.name}; leave them out of the mask, or the case out of the table"
            )
        return values[None, :]


@dataclass(frozen=True)
class ImageTable:
    """The images of a cohort-like table.

    Parameters
    ----------
    path, mask : Path
    images : tuple of CaseImage
    grid : Geometry
        Of the mask, and of every image.
    columns : ndarray of int
        Which voxels of the mask are the features.
    cases, names, dtype, may_miss
        See :class:`~harmonize_kit.core.large_table.LargeTable`.
    """

    path: Path
    mask: Path
    images: tuple[CaseImage, ...]
    grid: Geometry
    cases: FeatureTable
    names: tuple[str, ...]
    columns: NDArray[np.int_]
    # A dtype cannot be changed, so that all instances may share it.
    dtype: np.dtype[Any] = np.dtype(np.float32)  # noqa: RUF009
    may_miss: bool = False

    @property
    def grain(self) -> tuple[int, int]:
        """One image, which is read whole."""
        return 1, len(self.names)

    @property
    def overhead(self) -> int:
        """An image as it is read, and what is made of it."""
        return IMAGE * math.prod(self.grid.size)

    def choose(self, names: Sequence[str]) -> ImageTable:
        """Return the same table with some of its features, in that order."""
        return replace(self, names=tuple(names), columns=self.columns[positions(names, self.names)])

    def part(self, rows: slice, features: slice) -> ImagePart:
        """See :class:`~harmonize_kit.core.large_table.LargeTable`."""
        columns = as_columns(self.columns[features])
        return ImagePart(self.path.name, self.images[rows], self.mask, columns)


def open_images(path: Path, mask: Path, *, id_column: str | None = None) -> ImageTable:
    """Open the images that the column ``Image`` of a table names; none of them is read.

    Raises
    ------
    TableError
        If the table has no such column, a file is not there, an id repeats, or the mask cannot be
        used.
    """
    table = read_text_table(path)
    names: list[str] = table.column_names
    column = find_column(names, "Image")
    if column is None:
        raise TableError(
            f"{path.name}: expected a column 'Image' with the paths of the images, got "
            f"{', '.join(names[:8])}. {did_you_mean('Image', names)}"
        )
    identifier = find_id_column(names, path, id_column)
    frame = text_frame(table, names)
    paths = [(path.parent / text.strip()).absolute() for text in frame[column]]
    absent = [number for number, file in enumerate(paths, start=1) if not file.is_file()]
    if absent:
        raise TableError(
            f"{path.name}, data row {absent[0]}: there is no file {paths[absent[0] - 1]} "
            f"({len(absent)} of {len(paths)} images are not there)"
        )
    if identifier is None:
        logger.warning("%s has no id column; ids are the names of the images", path.name)
    ids = list(frame[identifier]) if identifier else [file.name.split(".")[0] for file in paths]
    index = pd.Index(ids, name="id", dtype=object)
    special = {column, identifier, find_column(names, "Mask")}
    covariates = frame[[name for name in names if name not in special]].set_axis(index, axis=0)
    empty = pd.DataFrame(index=index).astype(np.float64)
    cases = FeatureTable(empty, covariates, source=path.name)
    voxels = read_voxel_mask(mask)
    images = tuple(CaseImage(case, file) for case, file in zip(ids, paths, strict=True))
    known = voxels.names
    return ImageTable(path, mask, images, voxels.grid, cases, known, np.arange(len(known)))
