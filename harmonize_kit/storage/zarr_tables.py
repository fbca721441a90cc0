"""Large tables as a Zarr group: ``values`` (cases x features), ``id`` and ``feature``.

The group holds three arrays: ``values`` of numbers, shape (n, p), NaN where a cell is missing;
``id`` of text, shape (n,); ``feature`` of text, shape (p,). What xarray writes of a DataArray
called ``values`` with the coordinates ``id`` and ``feature`` is of this form. Site and covariates
come from another table.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import DependencyError, HarmonizeWarning, TableError
from harmonize_kit.storage.large_values import (
    Columns,
    as_columns,
    floating,
    positions,
    require_features,
    require_no_infinite,
)

VALUES, IDS, FEATURES = "values", "id", "feature"
# Chunks that Zarr decodes or encodes at the same time.
TOGETHER = 10


@dataclass(frozen=True)
class ZarrPart:
    """Some cases and features of a Zarr table."""

    path: Path
    rows: slice
    columns: Columns

    def read(self, at_once: int) -> Iterator[NDArray[Any]]:
        """See :class:`~harmonize_kit.core.large_table.TablePart`."""
        group = open_group(self.path)
        array = group[VALUES]
        kind = floating(np.dtype(array.dtype))
        for start in range(self.rows.start, self.rows.stop, at_once):
            rows = slice(start, min(start + at_once, self.rows.stop))
            try:
                found = array.oindex[rows, self.columns]
            except (ValueError, RuntimeError, OSError) as error:
                raise TableError(
                    f"{self.path.name}: cases {rows.start + 1} to {rows.stop} cannot be read "
                    f"({error}); is a chunk damaged?"
                ) from error
            values = np.asarray(found, dtype=kind)

            def tell(row: int, column: int, first: int = start) -> tuple[str, str]:
                names = _texts(group[FEATURES])
                own = np.arange(len(names))[self.columns]
                return _texts(group[IDS])[first + row], names[int(own[column])]

            require_no_infinite(values, self.path.name, tell)
            yield values


@dataclass(frozen=True)
class ZarrTable:
    """A table in a Zarr group; ``columns`` are the stored positions of its features."""

    path: Path
    cases: FeatureTable
    names: tuple[str, ...]
    columns: NDArray[np.int_]
    dtype: np.dtype[Any]
    grain: tuple[int, int]
    overhead: int
    may_miss: bool = True

    def choose(self, names: Sequence[str]) -> ZarrTable:
        """Return the same table with some of its features, in that order."""
        return replace(self, names=tuple(names), columns=self.columns[positions(names, self.names)])

    def part(self, rows: slice, features: slice) -> ZarrPart:
        """See :class:`~harmonize_kit.core.large_table.LargeTable`."""
        return ZarrPart(self.path, rows, as_columns(self.columns[features]))


def open_zarr(
    path: Path,
    *,
    patterns: Sequence[str] = (),
    not_features: Collection[str] = (),
) -> ZarrTable:
    """Open a Zarr group as a table; no value is read.

    Raises
    ------
    TableError
        If an array is absent, of another shape, or names something twice.
    DependencyError
        If zarr is not installed.
    """
    group = open_group(path)
    absent = [name for name in (VALUES, IDS, FEATURES) if name not in group]
    if absent:
        raise TableError(
            f"{path.name}: expected the arrays 'values' (cases x features), 'id' (cases) and "
            f"'feature' (features), there is no '{absent[0]}'"
        )
    array, ids, stored = group[VALUES], _texts(group[IDS]), _texts(group[FEATURES])
    if tuple(array.shape) != (len(ids), len(stored)):
        raise TableError(
            f"{path.name}: expected 'values' of shape ({len(ids)}, {len(stored)}), as long as 'id' "
            f"and 'feature', got {tuple(array.shape)}"
        )
    if np.dtype(array.dtype).kind not in "fiu":
        raise TableError(f"{path.name}: 'values' must hold numbers, got {array.dtype}")
    _tell_absent_chunks(array, path)
    index = pd.Index(ids, name="id", dtype=object)
    nothing = pd.DataFrame(index=index)
    cases = FeatureTable(nothing.astype(np.float64), nothing.copy(), source=path.name)
    names = require_features(stored, path, patterns=patterns, not_features=not_features)
    rows, features = map(int, array.chunks)
    overhead = TOGETHER * rows * features * int(np.dtype(array.dtype).itemsize)
    dtype = floating(np.dtype(array.dtype))
    columns = positions(names, stored)
    return ZarrTable(path, cases, tuple(names), columns, dtype, (rows, features), overhead)


def open_group(path: Path, mode: str = "r") -> Any:
    """Open a Zarr group, or make a new one (mode "w", format 3).

    Raises
    ------
    TableError
        If there is none.
    DependencyError
        If zarr is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise DependencyError(
            "Zarr tables need zarr: pip install 'harmonize-kit[large]'"
        ) from error
    opened: Any = zarr
    if mode == "w":
        return opened.open_group(str(path), mode="w", zarr_format=3)
    try:
        return opened.open_group(str(path), mode=mode)
    except (ValueError, KeyError, OSError) as error:
        raise TableError(
            f"{path.name}: expected a Zarr group with the arrays 'values', 'id' and 'feature' "
            f"({type(error).__name__}: {error})"
        ) from error


def _texts(array: Any) -> list[str]:
    stored = np.asarray(array[:])
    if stored.dtype.kind == "S":
        return [text.decode() for text in stored.tolist()]
    return [str(text) for text in stored.tolist()]


def _tell_absent_chunks(array: Any, path: Path) -> None:
    """Warn of chunks that are not on disk, which Zarr reads as the fill value without a word."""
    fill = np.asarray(array.fill_value)
    absent = int(array.nchunks) - int(array.nchunks_initialized)
    if absent > 0 and not (fill.dtype.kind == "f" and bool(np.isnan(fill))):
        warnings.warn(
            f"{path.name}: {absent} of {array.nchunks} chunks are not there and are read as "
            f"{fill}; was the table written whole?",
            HarmonizeWarning,
            stacklevel=4,
        )
