"""Reading some cases and features of a large table in Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from harmonize_kit.errors import TableError
from harmonize_kit.storage.columns import text_frame
from harmonize_kit.storage.large_values import gathered, require_no_infinite

# Columns, and cells of many columns, that are decoded at once.
COLUMNS, CELLS = 1000, 1 << 24


@dataclass(frozen=True)
class PartFile:
    """One file, and which of its rows are meant."""

    path: Path
    rows: slice


@dataclass(frozen=True)
class ParquetPart:
    """Some cases and features of a Parquet table."""

    source: str
    files: tuple[PartFile, ...]
    features: tuple[str, ...]
    identifier: str | None
    dtype: np.dtype[Any]
    by_group: bool

    def read(self, at_once: int) -> Iterator[NDArray[Any]]:
        """See :class:`~harmonize_kit.core.large_table.TablePart`."""
        pieces = (
            piece for file in self.files for piece in self._pieces(file, at_once) if len(piece)
        )
        # Parquet gives columns, so columns are what lies together.
        yield from gathered(pieces, at_once, len(self.features), self.dtype, "F")

    def _pieces(self, file: PartFile, at_once: int) -> Iterator[NDArray[Any]]:
        stored = open_parquet_file(file.path)
        row = 0
        for found in self._groups(stored) if self.by_group else self._batches(stored, at_once):
            count = len(found)
            own = slice(max(file.rows.start - row, 0), min(file.rows.stop - row, count))
            if own.start < own.stop:
                values = found[own]
                first = row + own.start

                def tell(at: int, column: int, first: int = first) -> tuple[str, str]:
                    return self._case(file.path, first + at), self.features[column]

                require_no_infinite(values, f"{self.source}, {file.path.name}", tell)
                yield values
            row += count
            if row >= file.rows.stop:
                return

    def _groups(self, stored: Any) -> Iterator[NDArray[Any]]:
        """Yield whole groups of rows, read some columns at a time: readers of all take memory."""
        for group in range(stored.metadata.num_row_groups):
            count = int(stored.metadata.row_group(group).num_rows)
            values = np.empty((count, len(self.features)), dtype=self.dtype, order="F")
            for start in range(0, len(self.features), COLUMNS):
                names = self.features[start : start + COLUMNS]
                found = stored.read_row_group(group, columns=list(names), use_threads=False)
                self._fill(values[:, start : start + COLUMNS], found, names)
            yield values

    def _batches(self, stored: Any, at_once: int) -> Iterator[NDArray[Any]]:
        """Yield some rows at a time, of groups that are too large to be read whole."""
        size = max(1, min(at_once, CELLS // len(self.features)))
        for batch in stored.iter_batches(batch_size=size, columns=list(self.features)):
            values = np.empty((batch.num_rows, len(self.features)), dtype=self.dtype, order="F")
            self._fill(values, batch, self.features)
            yield values

    def _fill(self, values: NDArray[Any], found: Any, names: Sequence[str]) -> None:
        place = {name: position for position, name in enumerate(found.schema.names)}
        columns = found.columns
        for position, name in enumerate(names):
            column = columns[place[name]]
            values[:, position] = (
                column.to_numpy() if isinstance(column, pa.ChunkedArray)
                else column.to_numpy(zero_copy_only=False)
            )  # fmt: skip

    def _case(self, path: Path, row: int) -> str:
        if self.identifier is None:
            return f"row {row + 1}"
        column = parquet.read_table(path, columns=[self.identifier])
        return str(text_frame(column, [self.identifier])[self.identifier][row])


def open_parquet_file(path: Path) -> Any:
    """Open a file, reading no more than its footer.

    Raises
    ------
    TableError
        If it is damaged, or names a column twice.
    """
    try:
        return parquet.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name} is no intact Parquet file: {error}") from error
