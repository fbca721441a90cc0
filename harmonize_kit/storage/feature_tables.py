"""Feature tables on disk, with a sidecar that says what each column is and what made the table."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pandas as pd

from harmonize_kit.core.feature_dictionary import describe_feature
from harmonize_kit.core.table import FeatureTable, as_text
from harmonize_kit.errors import HarmonizeWarning, TableError, did_you_mean
from harmonize_kit.storage.columns import (
    number_or_none,
    plain_suffix,
    read_text_table,
    text_frame,
    write_text_table,
)
from harmonize_kit.storage.identity import find_id_column
from harmonize_kit.storage.whole import write_text

# Columns of numbers with these names are seldom measurements of an image.
COVARIATE_NAMES = frozenset(
    {
        "age", "age_at_scan", "sex", "gender", "group", "grade", "diagnosis", "dx", "dx_group",
        "target", "outcome", "label", "event", "status", "time", "days", "site", "scanner",
        "batch", "centre", "center", "subject", "session", "visit", "year", "handedness", "iq",
        "bmi", "weight", "height",
    }
)  # fmt: skip
INDEX_NAMES = ("Unnamed: ", "__index_level_")
SIDECAR_SCHEMA = "harmonize-kit/features/1"
logger = logging.getLogger(__name__)


def read_feature_table(
    path: str | Path,
    *,
    not_features: Collection[str] = (),
    patterns: Sequence[str] = (),
    id_column: str | None = None,
    only: Collection[str] | None = None,
) -> FeatureTable:
    """Read a feature table.

    The features are the columns the sidecar names, or those that match ``patterns`` (as in a
    shell), or else all columns of numbers that are not in ``not_features``; with ``only``, just
    these. Everything else is a covariate and is kept as text. A column without any value is none.

    Raises
    ------
    TableError
        If the table cannot be read, an id repeats, no column is a feature, or a feature holds text.
    """
    path = Path(path)
    table = read_text_table(path)
    names: list[str] = table.column_names
    identifier = find_id_column(names, path, id_column)
    sidecar = read_sidecar(path)
    if only is not None:
        wanted = {name for name in names if name in set(only)}
    else:
        wanted = chosen_features(names, sidecar, patterns, {*not_features, identifier or ""}, path)
    columns: dict[str, Any] = {}
    for name in names:
        number = number_or_none(table.column(name)) if name in wanted else None
        if number is not None and number.null_count == len(number):
            continue
        if number is not None:
            columns[name] = number.to_numpy(zero_copy_only=False)
        elif name in wanted:
            _complain_of_text(
                path, name, table.column(name), certain=bool(sidecar or patterns or only)
            )
    if not columns:
        raise TableError(f"{path.name}: expected columns of numbers as features, got none")
    if sidecar is None and not patterns and only is None:
        tell_doubtful(list(columns), path)
    others = [name for name in names if name not in columns and name != identifier]
    ids = text_frame(table, [identifier])[identifier].tolist() if identifier else None
    if ids is not None and any(not name.strip() for name in ids):
        row = next(row for row, name in enumerate(ids, start=1) if not name.strip())
        raise TableError(f"{path.name}, data row {row}: the id in '{identifier}' is empty")
    index = pd.Index(ids or row_ids(table.num_rows, path), name="id", dtype=object)
    return FeatureTable(
        pd.DataFrame(columns, index=index, dtype=np.float64),
        text_frame(table, others).set_axis(index, axis=0),
        MappingProxyType(dict(sidecar.get("made_by", {})) if sidecar else {}),
        path.name,
    )


def read_covariates(path: Path, id_column: str | None = None) -> pd.DataFrame:
    """Read a table of covariates by id, every cell as text.

    Raises
    ------
    TableError
        If the table cannot be read or has no id column.
    """
    table = read_text_table(path)
    names: list[str] = table.column_names
    identifier = find_id_column(names, path, id_column)
    if identifier is None:
        raise TableError(
            f"{path.name}: covariates are joined by id, but no column is called id, case_id, "
            "participant_id or subject_id; rename it, or name it with --id"
        )
    frame = text_frame(table, names).set_index(identifier)
    return frame.drop(columns="id", errors="ignore").rename_axis("id")


def with_covariates(table: FeatureTable, covariates: pd.DataFrame, source: str) -> FeatureTable:
    """Return ``table`` with further covariates joined by id; they win over columns of one name."""
    joined = FeatureTable.join(table.features, covariates, source)
    known = set(covariates.columns)
    kept = [name for name in table.covariates.columns if name not in known]
    features = table.features[[name for name in table.names if name not in known]]
    frame = pd.concat([table.covariates[kept], joined.covariates], axis=1)
    return replace(table, features=features, covariates=frame)


def write_feature_table(
    table: FeatureTable, path: Path, *, notes: Sequence[str] = ()
) -> tuple[Path, Path]:
    """Write ``table`` as ``path`` and as Parquet (or CSV) beside it, with its sidecar.

    ``notes`` names covariates that the tool made (warnings), to tell them from the user's. A
    feature that the dictionary knows bears its unit, family, filter and, where the definition is
    IBSI's, its code. Returns the paths of the delimited and of the Parquet file.

    Raises
    ------
    TableError
        If the suffix is none of a table, or another program's .json has the sidecar's name.
    """
    require_writable(path)
    suffix = plain_suffix(path)
    delimited = path if suffix != ".parquet" else path.with_suffix(".csv")
    columnar = path if suffix == ".parquet" else _stem(path).with_suffix(".parquet")
    frame = pd.concat([table.covariates, table.features], axis=1)
    frame.insert(0, "id", table.ids)
    # The delimited file comes last: where it stands, the others stand too.
    write_sidecar(path, list(table.covariates.columns), table.names, table.made_by, notes)
    write_text_table(frame, columnar)
    write_text_table(frame, delimited)
    return delimited, columnar


def write_sidecar(
    path: Path,
    covariates: Sequence[str],
    features: Sequence[str],
    made_by: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> None:
    """Write beside ``path`` what role each of its columns has, and what made it."""
    columns = [{"name": "id", "role": "id"}]
    for name in covariates:
        columns.append({"name": str(name), "role": "note" if name in notes else "covariate"})
    columns += [_feature_column(name) for name in features]
    plain = cast(dict[str, Any], json.loads(json.dumps(dict(made_by))))
    document = {"schema": SIDECAR_SCHEMA, "columns": columns, "made_by": plain}
    write_text(sidecar_path(path), json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def require_writable(path: Path, inputs: Collection[Path] = ()) -> None:
    """Refuse, before any work, a name that would overwrite an input or what is not ours.

    Raises
    ------
    TableError
        If the suffix is none of a table, one of the files to be written is among ``inputs``, or
        another program's .json stands where the sidecar belongs.
    """
    if plain_suffix(path) not in {".csv", ".tsv", ".parquet"}:
        raise TableError(f"{path.name}: a table is written as .csv, .tsv or .parquet")
    stem = _stem(path)
    targets = {stem.with_suffix(suffix).resolve() for suffix in (".csv", ".tsv", ".parquet")}
    for source in inputs:
        if _stem(source).resolve() in targets:
            raise TableError(
                f"{path.name} would overwrite {source.name}, or what belongs to it; choose "
                "another name with -o"
            )
    beside = sidecar_path(path)
    if beside.exists() and read_sidecar(path) is None:
        raise TableError(f"{beside.name} stands where {path.name} keeps its roles; choose another")


def sidecar_path(path: Path) -> Path:
    """Return the sidecar of a table: ``features.csv`` has ``features.json``."""
    return _stem(path).with_suffix(".json")


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Return the sidecar of a table, or None where there is none of ours."""
    beside = sidecar_path(path)
    if not beside.is_file():
        return None
    try:
        document: Any = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    known = cast(dict[str, Any], document)
    if known.get("schema") != SIDECAR_SCHEMA or not isinstance(known.get("made_by"), dict):
        return None
    columns = known.get("columns")
    named = isinstance(columns, list) and all(
        isinstance(column, dict) and {"name", "role"} <= set(cast(dict[str, Any], column))
        for column in cast(list[Any], columns)
    )
    return known if named else None


def _feature_column(name: str) -> dict[str, str]:
    entry = describe_feature(name)
    known = {"name": name, "role": "feature"}
    if entry is None:
        return known
    known |= {"unit": entry.unit, "family": entry.family, "filter": entry.filter}
    return known | ({"ibsi": entry.ibsi_code} if entry.ibsi_code else {})


def chosen_features(
    names: Sequence[str],
    sidecar: dict[str, Any] | None,
    patterns: Sequence[str],
    excluded: set[str],
    path: Path,
) -> set[str]:
    """Return which of ``names`` are features: as sidecar or patterns say, or all but ``excluded``.

    Raises
    ------
    TableError
        If no name matches the first pattern.
    """
    if sidecar is not None:
        columns = cast(list[dict[str, str]], sidecar["columns"])
        known = {column["name"] for column in columns if column["role"] == "feature"}
        names = [name for name in names if name in known]
    if patterns:
        chosen = {name for name in names for glob in patterns if fnmatchcase(name, glob)}
        if not chosen:
            hint = did_you_mean(patterns[0].strip("*"), names)
            raise TableError(f"{path.name}: no column matches '{patterns[0]}'. {hint}")
        return chosen - excluded
    index = [name for name in names if not name or name.startswith(INDEX_NAMES)]
    if index:
        warnings.warn(
            f"{path.name}: '{index[0]}' looks like the row numbers of another program and is left "
            "out",
            HarmonizeWarning,
            stacklevel=3,
        )
    return set(names) - excluded - set(index)


def tell_doubtful(features: Sequence[str], path: Path) -> None:
    """Tell which columns were taken as features although their names say otherwise."""
    doubtful = [name for name in features if name.lower() in COVARIATE_NAMES]
    if doubtful:
        warnings.warn(
            f"{path.name}: taken as features although the names say otherwise: "
            f"{', '.join(doubtful)}; choose with --features, or leave out with --not-features",
            HarmonizeWarning,
            stacklevel=3,
        )


def _complain_of_text(path: Path, name: str, column: Any, *, certain: bool) -> None:
    cells = [as_text(value).strip() for value in column.to_pylist()]
    strange = [(row, text) for row, text in enumerate(cells, start=1) if not _is_number(text)]
    if not strange:
        raise TableError(f"{path.name}: column '{name}' cannot be read as numbers")
    row, text = strange[0]
    comma = _is_number(text.replace(",", "."))
    where = f"{path.name}, data row {row}, column '{name}'"
    if comma and len(strange) > len(cells) // 2:
        raise TableError(f"{where}: got '{text}'; use a point as the decimal mark")
    if certain:
        raise TableError(f"{where}: a feature must hold numbers, got '{text}'; leave it empty")
    if len(strange) <= len(cells) // 2:
        warnings.warn(
            f"{where}: got '{text}' among numbers, so the column is not taken as a feature",
            HarmonizeWarning,
            stacklevel=4,
        )


def _is_number(text: str) -> bool:
    if text in {"", "n/a", "NA"}:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def row_ids(count: int, path: Path) -> list[str]:
    """Return ids for the rows of a table without any, and say so."""
    logger.warning(
        "%s has no id column; rows are called row-1, row-2 ... (name one with --id)", path.name
    )
    return [f"row-{number}" for number in range(1, count + 1)]


def _stem(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gz"))
