"""Writing a large table as Parquet, part by part as it was read."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from harmonize_kit.storage.feature_tables import write_sidecar
from harmonize_kit.storage.parquet_tables import ParquetTable
from harmonize_kit.storage.whole import whole_file, whole_folder

# Bytes that libparquet holds of each column it writes.
WRITING = 10_000


@dataclass(frozen=True)
class ParquetPlace:
    """A file to be written: its cases with their covariates as text, and its features."""

    path: Path
    cases: pd.DataFrame
    features: tuple[str, ...]
    dtype: np.dtype[Any]

    @contextmanager
    def open(self) -> Generator[ParquetSink]:
        """See :class:`~harmonize_kit.core.large_table.ProductPart`."""
        texts = [(str(name), pa.string()) for name in self.cases.columns]
        kind = pa.from_numpy_dtype(self.dtype)
        schema = pa.schema([*texts, *((name, kind) for name in self.features)])
        with parquet.ParquetWriter(self.path, schema) as writer:
            yield ParquetSink(writer, schema, self.cases, self.dtype)


@dataclass
class ParquetSink:
    """Writes each block of cases as a group of rows."""

    writer: Any
    schema: Any
    cases: pd.DataFrame
    dtype: np.dtype[Any]
    row: int = 0

    def write(self, values: NDArray[np.float64]) -> None:
        """See :class:`~harmonize_kit.core.large_table.TableSink`."""
        own = self.cases.iloc[self.row : self.row + len(values)]
        self.row += len(values)
        columns = [pa.array(own[name].tolist(), pa.string()) for name in own.columns]
        by_feature = np.asfortranarray(values.astype(self.dtype))
        columns += [pa.array(by_feature[:, place]) for place in range(by_feature.shape[1])]
        self.writer.write_table(pa.Table.from_arrays(columns, schema=self.schema))


@dataclass(frozen=True)
class ParquetProduct:
    """A Parquet table that is being written: each file of the original anew."""

    table: ParquetTable
    places: Mapping[Path, Path]
    cases: pd.DataFrame

    @property
    def grain(self) -> tuple[int, int]:
        """All features of a case are written together."""
        return 1, len(self.table.names)

    @property
    def overhead(self) -> int:
        """What libparquet holds of each column until a file is closed."""
        return len(self.table.names) * WRITING

    def row_ranges(self) -> list[slice]:
        """See :class:`~harmonize_kit.core.large_table.LargeProduct`."""
        return [rows for _, rows in self.table.ranges if rows.start < rows.stop]

    def part(self, rows: slice, features: slice) -> ParquetPlace:
        """See :class:`~harmonize_kit.core.large_table.LargeProduct`; ``rows`` are a file's."""
        path = next(path for path, held in self.table.ranges if held == rows)
        table = self.table
        return ParquetPlace(
            self.places[path], self.cases.iloc[rows], table.names[features], table.dtype
        )


@contextmanager
def write_parquet(
    path: Path, table: ParquetTable, notes: pd.Series[str] | None, made_by: Mapping[str, Any]
) -> Generator[ParquetProduct]:
    """Write a table in the files of ``table``; it is there, with its sidecar, when the block ends.

    ``notes``, one a case, become the column ``harmonization``.
    """
    cases = table.cases.covariates
    if notes is not None:
        cases = cases.assign(**{str(notes.name): notes})
    frame = cases.reset_index(drop=True)
    frame.insert(0, "id", table.cases.ids)
    noted = () if notes is None else (str(notes.name),)
    with whole_folder(path) if table.path.is_dir() else whole_file(path) as beside:
        places = {
            file: beside / file.name if table.path.is_dir() else beside for file, _ in table.files
        }
        yield ParquetProduct(table, places, frame)
        write_sidecar(path, list(cases.columns), table.names, made_by, noted)
