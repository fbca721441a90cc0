"""A table of features that is read and written in parts, because it may not fit into memory.

Disk formats differ in what they can read at once: a part of a Parquet table is rows, a chunk of a
Zarr array is rows by columns, an image is one row. What they have in common stands here, so that
whoever computes over a large table need not know where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.table import FeatureTable


class TablePart(Protocol):
    """Some cases and features of a large table; small, so that it can travel to a worker."""

    def read(self, at_once: int) -> Iterator[NDArray[Any]]:
        """Yield the values of up to ``at_once`` cases after another, each of shape (b, c).

        Of type float32 or float64, finite or NaN where a cell is missing. What was yielded may be
        overwritten when the next is asked for.

        Raises
        ------
        TableError
            If the file is damaged or a value is infinite; the case is named.
        """
        ...


class LargeTable(Protocol):
    """Cases by id and features by name, whose values are read part by part."""

    @property
    def cases(self) -> FeatureTable:
        """The n cases with their covariates, as a table without features."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Names of the p features."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that are read: float32 or float64."""
        ...

    @property
    def grain(self) -> tuple[int, int]:
        """Cases and features that are stored together, so that reading less of them is waste."""
        ...

    @property
    def overhead(self) -> int:
        """Bytes of memory that reading takes beside the values, however little is read."""
        ...

    @property
    def may_miss(self) -> bool:
        """Whether cells can be missing."""
        ...

    def part(self, rows: slice, features: slice) -> TablePart:
        """Return some cases and features, to be read."""
        ...


class TableSink(Protocol):
    """Takes the values of some cases and features, in the order of the cases."""

    def write(self, values: NDArray[np.float64]) -> None:
        """Write the values of the next b cases, shape (b, c)."""
        ...


class ProductPart(Protocol):
    """Where some cases and features of a product go; small, so that it can travel to a worker."""

    def open(self) -> AbstractContextManager[TableSink]:
        """Open the place for writing."""
        ...


class LargeProduct(Protocol):
    """A large table that is being written, and takes its place when it is whole."""

    @property
    def grain(self) -> tuple[int, int]:
        """Cases and features that must be written together."""
        ...

    @property
    def overhead(self) -> int:
        """Bytes of memory that writing takes beside the values."""
        ...

    def row_ranges(self) -> list[slice]:
        """Return the ranges of cases that different workers may write."""
        ...

    def part(self, rows: slice, features: slice) -> ProductPart:
        """Return the place of some cases and features."""
        ...
