"""Writing a large table as images: each case's voxels under the mask into an image of its own."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.image_tables import CaseImage, ImageTable, VoxelMask, read_voxel_mask
from harmonize_kit.storage.images import write_image
from harmonize_kit.storage.large_values import Columns, as_columns
from harmonize_kit.storage.results import plain_name
from harmonize_kit.storage.whole import whole_folder

TABLE, FOLDER = "cohort.csv", "images"
# Images a worker writes before it asks for more.
TOGETHER = 8


@dataclass(frozen=True)
class ImagePlace:
    """Where the images of some cases go."""

    source: str
    images: tuple[CaseImage, ...]
    targets: tuple[Path, ...]
    mask: Path
    columns: Columns

    @contextmanager
    def open(self) -> Generator[ImageSink]:
        """See :class:`~harmonize_kit.core.large_table.ProductPart`."""
        yield ImageSink(self, read_voxel_mask(self.mask))


@dataclass
class ImageSink:
    """Writes each case as an image of float32: the voxels given, and the others as they were."""

    place: ImagePlace
    mask: VoxelMask
    row: int = 0

    def write(self, values: NDArray[np.float64]) -> None:
        """See :class:`~harmonize_kit.core.large_table.TableSink`."""
        places = self.mask.places[self.place.columns]
        for cells in values:
            image = self.place.images[self.row]
            volume = image.read(self.mask.grid, self.place.source)
            array = volume.array.astype(np.float32)
            array.reshape(-1)[places] = cells
            write_image(Volume(array, volume.geometry), self.place.targets[self.row])
            self.row += 1


@dataclass(frozen=True)
class ImageProduct:
    """Images that are being written."""

    table: ImageTable
    targets: tuple[Path, ...]

    @property
    def grain(self) -> tuple[int, int]:
        """An image is written whole."""
        return 1, len(self.table.names)

    @property
    def overhead(self) -> int:
        """An image as it is read and as it is written."""
        return self.table.overhead

    def row_ranges(self) -> list[slice]:
        """See :class:`~harmonize_kit.core.large_table.LargeProduct`."""
        n = len(self.targets)
        return [slice(start, min(start + TOGETHER, n)) for start in range(0, n, TOGETHER)]

    def part(self, rows: slice, features: slice) -> ImagePlace:
        """See :class:`~harmonize_kit.core.large_table.LargeProduct`."""
        table = self.table
        columns = as_columns(table.columns[features])
        return ImagePlace(
            table.path.name, table.images[rows], self.targets[rows], table.mask, columns
        )


@contextmanager
def write_images(
    path: Path, table: ImageTable, notes: pd.Series[str] | None, made_by: Mapping[str, Any]
) -> Generator[ImageProduct]:
    """Write images and a table that names them into a folder; it is there when the block ends.

    ``notes``, one a case, become the column ``harmonization``.
    """
    files = [f"{FOLDER}/{plain_name(image.case)}.nii.gz" for image in table.images]
    frame = table.cases.covariates.reset_index(drop=True)
    frame.insert(0, "id", table.cases.ids)
    frame.insert(1, "Image", files)
    if notes is not None:
        frame[str(notes.name)] = notes.to_numpy()
    frame["harmonized_by"] = str(made_by.get("model", ""))
    with whole_folder(path) as folder:
        (folder / FOLDER).mkdir()
        yield ImageProduct(table, tuple(folder / file for file in files))
        write_text_table(frame, folder / TABLE)
