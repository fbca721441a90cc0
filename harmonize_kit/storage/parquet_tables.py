"""Large tables as Parquet: one file, or a folder of parts that each hold the rows of some cases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import TableError, did_you_mean
from harmonize_kit.storage.columns import text_frame
from harmonize_kit.storage.feature_tables import read_sidecar, row_ids, tell_doubtful
from harmonize_kit.storage.identity import find_id_column
from harmonize_kit.storage.large_values import require_features
from harmonize_kit.storage.parquet_parts import CELLS, ParquetPart, PartFile, open_parquet_file

SUFFIX = ".parquet"
# What libparquet holds of each column of an open file, and of each that is being read.
DESCRIBED, READING = 4_000, 10_000


@dataclass(frozen=True)
class ParquetTable:
    """A table in one or several Parquet files, one after another.

    Parameters
    ----------
    path : Path
        The file, or the folder of the parts.
    files : tuple of (Path, int)
        Each file with its number of rows.
    cases, names, dtype, grain, may_miss
        See :class:`~harmonize_kit.core.large_table.LargeTable`.
    identifier : str, optional
        Column of the ids.
    group : int
        Rows of the largest group.
    width : int
        Columns of a file.
    """

    path: Path
    files: tuple[tuple[Path, int], ...]
    cases: FeatureTable
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    identifier: str | None
    group: int
    width: int
    may_miss: bool = True

    @property
    def grain(self) -> tuple[int, int]:
        """One case, all features: opening a file again costs more than it gives."""
        return 1, len(self.names)

    @property
    def by_group(self) -> bool:
        """Whether groups of rows are small enough to be read whole."""
        return self.group * len(self.names) <= 2 * CELLS

    @property
    def overhead(self) -> int:
        """What libparquet holds of each column, and the group of rows that is being read."""
        column = DESCRIBED if self.by_group else DESCRIBED + READING
        return self.width * column + self.group * len(self.names) * self.dtype.itemsize

    @property
    def ranges(self) -> list[tuple[Path, slice]]:
        """Which cases each file holds."""
        ends = np.cumsum([count for _, count in self.files]).tolist()
        starts = [0, *ends[:-1]]
        return [
            (path, slice(start, end))
            for (path, _), start, end in zip(self.files, starts, ends, strict=True)
        ]

    def choose(self, names: Sequence[str]) -> ParquetTable:
        """Return the same table with some of its features, in that order."""
        return replace(self, names=tuple(names))

    def part(self, rows: slice, features: slice) -> ParquetPart:
        """See :class:`~harmonize_kit.core.large_table.LargeTable`."""
        files = [
            PartFile(path, slice(max(rows.start, held.start) - held.start,
                                 min(rows.stop, held.stop) - held.start))
            for path, held in self.ranges
            if rows.start < held.stop and held.start < rows.stop
        ]  # fmt: skip
        return ParquetPart(
            self.path.name, tuple(files), self.names[features], self.identifier, self.dtype,
            self.by_group,
        )  # fmt: skip


def open_parquet(
    path: Path,
    *,
    patterns: Sequence[str] = (),
    not_features: Collection[str] = (),
    id_column: str | None = None,
    only: Collection[str] | None = None,
) -> ParquetTable:
    """Open a Parquet file or a folder of parts as a table; only ids and covariates are read.

    Columns of numbers are features as in :func:`.feature_tables.read_feature_table`; here numbers
    are what Parquet stores as numbers.

    Raises
    ------
    TableError
        If there is no part, one of them is damaged or has other columns than the first, an id
        repeats, or no column is a feature.
    """
    files = part_files(path)
    schema = open_parquet_file(files[0]).schema_arrow
    names: list[str] = list(schema.names)
    counted: list[tuple[Path, int]] = []
    group = 0
    for file in files:
        stored = open_parquet_file(file)
        _require_same_columns(file, stored.schema_arrow, files[0], schema)
        counted.append((file, int(stored.metadata.num_rows)))
        sizes = range(stored.metadata.num_row_groups)
        group = max(group, *(int(stored.metadata.row_group(at).num_rows) for at in sizes), 0)
    identifier = find_id_column(names, path, id_column)
    sidecar = read_sidecar(path)
    excluded = {*not_features, identifier or ""}
    numbers = [name for name, kind in zip(names, schema.types, strict=True) if _is_number(kind)]
    features = require_features(
        numbers, path, sidecar=sidecar, patterns=patterns, not_features=excluded, only=only
    )
    if sidecar is None and not patterns and only is None:
        tell_doubtful(features, path)
    own = set(features)
    others = [name for name in names if name not in own]
    frame = pd.concat([_texts(file, others) for file, _ in counted], ignore_index=True)
    ids = list(frame[identifier]) if identifier else row_ids(len(frame), path)
    if not ids:
        raise TableError(f"{path.name}: expected at least one row, got a header and no row")
    index = pd.Index(ids, name="id", dtype=object)
    covariates = frame.drop(columns=[identifier] if identifier else []).set_axis(index, axis=0)
    made_by = MappingProxyType(dict(sidecar.get("made_by", {})) if sidecar else {})
    empty = pd.DataFrame(index=index).astype(np.float64)
    cases = FeatureTable(empty, covariates, made_by, path.name)
    dtype = _common_type(schema, own)
    return ParquetTable(
        path, tuple(counted), cases, tuple(features), dtype, identifier, group, len(names)
    )


def part_files(path: Path) -> list[Path]:
    """Return the files of a table: itself, or the parts in a folder by their names.

    Raises
    ------
    TableError
        If there is none.
    """
    if not path.is_dir():
        if not path.is_file():
            raise TableError(f"there is no file {path}")
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() == SUFFIX and not file.name.startswith((".", "_"))
    )
    if not files:
        raise TableError(
            f"{path.name}: expected a folder with the parts of a table (.parquet), or a Zarr "
            "group called .zarr, got neither; are the parts in a folder further down?"
        )
    return files


def _require_same_columns(file: Path, schema: Any, first: Path, expected: Any) -> None:
    names, wanted = list(schema.names), list(expected.names)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"{file.name}: column '{twice}' is named twice; rename one")
    if schema.equals(expected):
        return
    absent = [name for name in wanted if name not in set(names)]
    if absent:
        raise TableError(
            f"{file.name}: expected the columns of {first.name}, column '{absent[0]}' is absent "
            f"({len(absent)} in all). {did_you_mean(absent[0], names)}"
        )
    more = [name for name in names if name not in set(wanted)]
    if more:
        raise TableError(
            f"{file.name}: expected the columns of {first.name}, got '{more[0]}' besides "
            f"({len(more)} in all)"
        )
    for name in wanted:
        mine, other = schema.field(name).type, expected.field(name).type
        if _is_number(mine) != _is_number(other):
            raise TableError(
                f"{file.name}: column '{name}' is of type {mine}, in {first.name} of {other}; "
                "write all parts alike"
            )


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _common_type(schema: Any, features: set[str]) -> np.dtype[Any]:
    small = all(
        kind in (pa.float16(), pa.float32())
        for name, kind in zip(schema.names, schema.types, strict=True)
        if name in features
    )
    return np.dtype(np.float32 if small else np.float64)


def _texts(file: Path, columns: list[str]) -> pd.DataFrame:
    stored = open_parquet_file(file)
    if not columns:
        return pd.DataFrame(index=range(int(stored.metadata.num_rows)))
    return text_frame(stored.read(columns=columns), columns)
