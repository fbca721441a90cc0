"""Text tables on disk: CSV, TSV and Parquet, with every cell as the text that stands there.

pandas guesses types, and so turns the id 007 into 7 and a site named NA into nothing. Here cells
are read as text, and become numbers only where a column is used as one.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from harmonize_kit.core.table import MISSING_TEXT, as_text
from harmonize_kit.errors import TableError
from harmonize_kit.storage.whole import whole_file

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def read_text_table(path: Path) -> Any:
    """Read a table with all CSV cells as text; Parquet columns keep their types.

    Raises
    ------
    TableError
        If the file is absent, of an unknown suffix, ragged, not UTF-8, without rows, or names a
        column twice.
    """
    if not path.is_file():
        raise TableError(f"there is no file {path}")
    suffix = plain_suffix(path)
    if suffix == ".parquet":
        try:
            table = parquet.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{path.name} is no intact Parquet file: {error}") from error
    elif suffix in DELIMITERS:
        table = _read_delimited(path, DELIMITERS[suffix])
    else:
        raise TableError(
            f"{path.name}: expected .csv, .tsv or .parquet (or .csv.gz, .tsv.gz), got '{suffix}'"
        )
    names: list[str] = table.column_names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TableError(f"{path.name}: column '{repeated[0]}' is named twice; rename one")
    if table.num_rows == 0:
        raise TableError(f"{path.name}: expected at least one row, got a header and no row")
    return table


def text_frame(table: Any, columns: list[str]) -> pd.DataFrame:
    """Return columns as text, empty where a Parquet cell is null."""
    cells = {name: [as_text(value) for value in table.column(name).to_pylist()] for name in columns}
    return pd.DataFrame(cells, dtype=object)


def number_or_none(column: Any) -> Any:
    """Return an Arrow column as float64 with nulls where missing, or None where it holds text."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return compute.cast(column, pa.float64(), safe=False)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    trimmed = compute.utf8_trim_whitespace(column)
    missing = compute.is_in(trimmed, value_set=pa.array(sorted(MISSING_TEXT)))
    known = compute.if_else(missing, pa.scalar(None, pa.string()), trimmed)
    try:
        return compute.cast(known, pa.float64())
    except pa.ArrowInvalid:
        return None


def write_text_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole file: .csv, .tsv or .parquet, UTF-8, no index, missing is empty.

    Numbers are written with as many digits as bring back the same float64.
    """
    suffix = plain_suffix(path)
    with whole_file(path) as temporary:
        if suffix == ".parquet":
            arrow = pa.Table.from_pandas(frame, preserve_index=False)
            parquet.write_table(arrow, temporary)
        elif suffix in DELIMITERS:
            frame.to_csv(temporary, sep=DELIMITERS[suffix], index=False, lineterminator="\n")
        else:
            raise TableError(f"{path.name}: expected .csv, .tsv or .parquet, got '{suffix}'")


def plain_suffix(path: Path) -> str:
    """Return the suffix that tells the format, in lower case, without ``.gz``."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _read_delimited(path: Path, delimiter: str) -> Any:
    names = _header(path, delimiter)
    convert = arrow_csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )
    try:
        table = arrow_csv.read_csv(
            path,
            # One thread, so that a ragged row is reported with its number.
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=False),
            convert_options=convert,
        )
        expected = _count_rows(path)
        if table.num_rows != expected:
            raise TableError(
                f"{path.name}: expected {expected} rows, one a line, got {table.num_rows}; is a "
                "quotation mark left open, or does a cell hold a line break?"
            )
        return table
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        if "UTF8" in reason or "utf8" in reason:
            raise TableError(f"{path.name}: the text is not UTF-8; save it as UTF-8") from error
        hint = "; is a quotation mark left open?" if '"' in reason else ""
        raise TableError(f"{path.name}: {reason}{hint}") from error
    except OSError as error:
        raise TableError(f"{path.name} cannot be read: {error}") from error


def _count_rows(path: Path) -> int:
    """Return the number of lines that hold something, without the header."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    count = -1
    with opener(path, "rb") as file:
        for line in file:
            if b"\0" in line:
                raise TableError(f"{path.name}: the text holds NUL characters; save it as UTF-8")
            count += bool(line.strip(b"\r\n"))
    return count


def _header(path: Path, delimiter: str) -> list[str]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            line = file.readline().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise TableError(f"{path.name}: the header is not UTF-8; save it as UTF-8") from error
    except (OSError, EOFError) as error:
        raise TableError(f"{path.name} cannot be read: {error}") from error
    if not line.strip():
        raise TableError(f"{path.name}: expected a header with column names, got nothing")
    for other, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if other != delimiter and delimiter not in line and other in line:
            raise TableError(
                f"{path.name}: columns seem to be separated by {name}; "
                "save as .csv with commas or .tsv with tabs"
            )
    return next(csv.reader([line], delimiter=delimiter))
