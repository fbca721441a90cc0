"""Large tables on disk, of whatever kind: opened by what lies there, written as they were read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.large_table import LargeProduct
from harmonize_kit.errors import TableError
from harmonize_kit.storage.columns import plain_suffix, read_text_table
from harmonize_kit.storage.feature_tables import require_writable, sidecar_path, with_covariates
from harmonize_kit.storage.image_product import write_images
from harmonize_kit.storage.image_tables import ImageTable, open_images
from harmonize_kit.storage.parquet_parts import open_parquet_file
from harmonize_kit.storage.parquet_product import write_parquet
from harmonize_kit.storage.parquet_tables import ParquetTable, open_parquet, part_files
from harmonize_kit.storage.zarr_product import write_zarr
from harmonize_kit.storage.zarr_tables import ZarrTable, open_zarr

AnyLargeTable = ParquetTable | ZarrTable | ImageTable
ZARR = ".zarr"


def open_large_table(
    path: Path,
    *,
    mask: Path | None = None,
    covariates: pd.DataFrame | None = None,
    patterns: Sequence[str] = (),
    not_features: Collection[str] = (),
    id_column: str | None = None,
    only: Collection[str] | None = None,
) -> AnyLargeTable:
    """Open a table that is read part by part: Parquet, Zarr, or images under a mask.

    Parameters
    ----------
    path : Path
        A Parquet file or a folder of its parts, a Zarr group (a folder called .zarr), or with
        ``mask`` a table with a column ``Image``.
    mask : Path, optional
    covariates : DataFrame, optional
        Further columns by id; they win over columns of one name.
    patterns, not_features, id_column, only
        See :func:`.feature_tables.read_feature_table`. With ``only``, other columns of a Parquet
        table are covariates; a Zarr group and images hold features alone.

    Raises
    ------
    TableError
        If nothing of the kind is there, or it is not what a table must be.
    DependencyError
        If a Zarr group is asked for and zarr is not installed.
    """
    # Workers may be started elsewhere than the command.
    path = path.absolute()
    table: AnyLargeTable
    if mask is not None:
        table = open_images(path, mask.absolute(), id_column=id_column)
    elif path.suffix.lower() == ZARR:
        if not path.is_dir():
            raise TableError(f"there is no Zarr group {path}")
        table = open_zarr(path, patterns=patterns, not_features=not_features)
    elif path.is_dir() or plain_suffix(path) == ".parquet":
        table = open_parquet(
            path, patterns=patterns, not_features=not_features, id_column=id_column, only=only
        )
    else:
        raise TableError(
            f"{path.name}: only Parquet, Zarr and images under a mask are read part by part; save "
            "the table as .parquet, or leave out --memory"
        )
    if covariates is None:
        return table
    joined = with_covariates(table.cases, covariates, f"{path.name} with its covariates")
    known = set(covariates.columns)
    table = replace(table, cases=joined)
    return table.choose([name for name in table.names if name not in known])


def held_columns(path: Path) -> list[str]:
    """Return the columns of a table that is read part by part; a Zarr group has none."""
    if path.suffix.lower() == ZARR:
        return []
    if path.is_dir() or plain_suffix(path) == ".parquet":
        return list(open_parquet_file(part_files(path)[0]).schema_arrow.names)
    return list(read_text_table(path).column_names)


def require_place(path: Path, table: AnyLargeTable, inputs: Collection[Path]) -> None:
    """Refuse, before any work, a name that is taken or does not fit what will be written.

    Raises
    ------
    TableError
        If something is there that would have to give way, or the suffix is another's.
    """
    if isinstance(table, ParquetTable) and not table.path.is_dir():
        if plain_suffix(path) != ".parquet":
            raise TableError(f"{path.name}: {table.path.name} is written as .parquet again")
        require_writable(path, inputs)
        return
    if isinstance(table, ZarrTable) != (path.suffix.lower() == ZARR):
        wanted = "a Zarr group, called .zarr" if isinstance(table, ZarrTable) else "a folder"
        raise TableError(f"{path.name}: {table.path.name} is written as {wanted}")
    if path.exists():
        raise TableError(f"{path} is there already; remove it or choose another name with -o")
    beside = sidecar_path(path)
    if isinstance(table, ParquetTable) and beside.exists():
        raise TableError(f"{beside.name} stands where {path.name} keeps its roles; choose another")


def write_large_table(
    path: Path, table: AnyLargeTable, notes: pd.Series[str] | None, made_by: Mapping[str, Any]
) -> AbstractContextManager[LargeProduct]:
    """Give a product of the kind of ``table`` to write into; it is whole or not there at all.

    ``notes``, one a case, say what became of it.
    """
    if isinstance(table, ParquetTable):
        return write_parquet(path, table, notes, made_by)
    if isinstance(table, ZarrTable):
        return write_zarr(path, table, notes, made_by)
    return write_images(path, table, notes, made_by)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays in a scratch file."""
    np.savez(path, **dict(arrays))  # pyright: ignore[reportArgumentType]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a scratch file."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
