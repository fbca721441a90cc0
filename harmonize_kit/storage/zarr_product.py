"""Writing a large table as a Zarr group, chunk by chunk."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.storage.whole import whole_folder
from harmonize_kit.storage.zarr_tables import (
    FEATURES,
    IDS,
    TOGETHER,
    VALUES,
    ZarrTable,
    open_group,
)

NOTES = "harmonization"


@dataclass(frozen=True)
class ZarrPlace:
    """Where some cases and features of a Zarr table go."""

    folder: Path
    rows: slice
    features: slice

    @contextmanager
    def open(self) -> Generator[ZarrSink]:
        """See :class:`~harmonize_kit.core.large_table.ProductPart`."""
        yield ZarrSink(open_group(self.folder, "r+")[VALUES], self.rows.start, self.features)


@dataclass
class ZarrSink:
    """Writes rows from ``row`` on."""

    array: Any
    row: int
    features: slice

    def write(self, values: NDArray[np.float64]) -> None:
        """See :class:`~harmonize_kit.core.large_table.TableSink`."""
        stop = self.row + len(values)
        self.array[self.row : stop, self.features] = values.astype(self.array.dtype)
        self.row = stop


@dataclass(frozen=True)
class ZarrProduct:
    """A Zarr table that is being written."""

    folder: Path
    n_cases: int
    grain: tuple[int, int]
    overhead: int

    def row_ranges(self) -> list[slice]:
        """See :class:`~harmonize_kit.core.large_table.LargeProduct`."""
        step = self.grain[0]
        return [
            slice(start, min(start + step, self.n_cases)) for start in range(0, self.n_cases, step)
        ]

    def part(self, rows: slice, features: slice) -> ZarrPlace:
        """See :class:`~harmonize_kit.core.large_table.LargeProduct`."""
        return ZarrPlace(self.folder, rows, features)


@contextmanager
def write_zarr(
    path: Path, table: ZarrTable, notes: pd.Series[str] | None, made_by: Mapping[str, Any]
) -> Generator[ZarrProduct]:
    """Write a table in the chunks and the type of ``table``; it is there when the block ends.

    ``notes``, one a case, become the array ``harmonization``.
    """
    source = open_group(table.path)[VALUES]
    shape = (len(table.cases.ids), len(table.names))
    with whole_folder(path) as folder:
        group = open_group(folder, "w")
        layout: dict[str, Any] = {"chunks": tuple(map(min, source.chunks, shape))}
        if source.shards is not None and tuple(source.shape) == shape:
            layout = {"chunks": source.chunks, "shards": source.shards}
        if source.metadata.zarr_format == 3:
            layout["compressors"] = source.compressors
        group.create_array(
            VALUES, shape=shape, dtype=table.dtype, fill_value=np.nan,
            dimension_names=(IDS, FEATURES), **layout,
        )  # fmt: skip
        _write_texts(group, IDS, table.cases.ids, IDS)
        _write_texts(group, FEATURES, table.names, FEATURES)
        if notes is not None:
            _write_texts(group, NOTES, [str(note) for note in notes], IDS)
        group.attrs["made_by"] = dict(made_by)
        grain = layout.get("shards", layout["chunks"])
        rows, features = int(grain[0]), int(grain[1])
        overhead = TOGETHER * math.prod(layout["chunks"]) * table.dtype.itemsize
        yield ZarrProduct(folder, shape[0], (rows, features), overhead)


def _write_texts(group: Any, name: str, texts: Sequence[str], dimension: str) -> None:
    array = group.create_array(name, shape=(len(texts),), dtype=str, dimension_names=(dimension,))
    array[:] = np.array(texts, dtype=object)
