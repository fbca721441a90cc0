"""Cohort tables: PyRadiomics batch files and their like."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast

from harmonize_kit.core.cohort import Case, Cohort, check_unique_ids
from harmonize_kit.errors import TableError, did_you_mean
from harmonize_kit.storage.columns import plain_suffix, read_text_table, text_frame
from harmonize_kit.storage.identity import find_column, find_id_column

logger = logging.getLogger(__name__)


def read_cohort(path: str | Path, id_column: str | None = None, *, masked: bool = True) -> Cohort:
    """Read a cohort table (.csv, .tsv, .parquet), one row a case.

    Relative image and mask paths resolve against the folder of the table. Column names match
    without regard to case. Ids and all other cells are read as text.

    Parameters
    ----------
    path : str or Path
    id_column : str, optional
        Name of the column of ids, where it is none of the usual.
    masked : bool
        Whether each case must have a mask and an image of every modality, as it must to be
        measured. If not, the column ``Mask`` and cells of images may be empty or absent, as long
        as a case has one image.

    Raises
    ------
    TableError
        If the table cannot be read, lacks ``Image`` or ``Mask``, has an empty path or a label that
        is no whole number, or repeats an id; row and column are named.
    """
    path = Path(path)
    table = read_text_table(path)
    names: list[str] = table.column_names
    images = _image_columns(names, path)
    mask = _required(names, "Mask", path) if masked else find_column(names, "Mask")
    label, channel = find_column(names, "Label"), find_column(names, "Label_channel")
    id_column = find_id_column(names, path, id_column)
    special: set[str | None] = {*images.values(), mask, label, channel, id_column}
    others = [name for name in names if name not in special]
    rows = cast(list[dict[str, str]], text_frame(table, names).to_dict("records"))
    named_by = mask if masked and mask else next(iter(images.values()))
    ids = (
        [row[id_column] for row in rows]
        if id_column
        else _made_ids(rows, named_by, label if masked else None, path)
    )
    cases: list[Case] = []
    problems: list[str] = []
    for number, (case, row) in enumerate(zip(ids, rows, strict=True), start=1):
        where = f"{path.name}, data row {number}"
        try:
            if not case.strip():
                raise TableError(f"{where}: the id in column '{id_column}' is empty; give one")
            paths = {
                key: _path(row, name, path, where)
                for key, name in images.items()
                if masked or row[name].strip()
            }
            if not paths:
                raise TableError(f"{where}: the case has no image; give the path of one")
            cases.append(
                Case(
                    case,
                    MappingProxyType(paths),
                    _path(row, mask, path, where) if mask and (masked or row[mask].strip()) else "",
                    parse_labels(row[label] if label else "", where),
                    _channel(row[channel], where) if channel else 0,
                    MappingProxyType({name: row[name] for name in others}),
                )
            )
        except TableError as error:
            problems.extend(error.problems)
    try:
        check_unique_ids(ids, path.name)
    except TableError as error:
        problems.extend(error.problems)
    if problems:
        more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
        raise TableError(f"{problems[0]}{more}", problems)
    return Cohort(tuple(cases), tuple(others), path.name)


def missing_files(cohort: Cohort) -> list[str]:
    """Return one sentence for every image or mask that is not there, by data row."""
    return [
        f"{cohort.source}, data row {number}: there is no file {file}"
        for number, case in enumerate(cohort, start=1)
        for file in (*case.images.values(), case.mask)
        if file and not Path(file).exists()
    ]


def parse_labels(text: str, where: str = "Label") -> tuple[int, ...] | None:
    """Return the labels of ``"1"``, ``"1;2;4"`` or ``"all"`` (None); empty where nothing is said.

    Raises
    ------
    TableError
        If a label is no positive whole number, or is named twice.
    """
    if text.strip().lower() == "all":
        return None
    if not text.strip():
        return ()
    labels = tuple(_whole_number(part, where, "Label") for part in text.split(";"))
    if any(label < 1 for label in labels) or len(set(labels)) < len(labels):
        raise TableError(
            f"{where}: column 'Label' must hold different whole numbers from 1 on, got '{text}'"
        )
    return labels


def _image_columns(names: Sequence[str], path: Path) -> dict[str, str]:
    single = find_column(names, "Image")
    if single is not None:
        return {"": single}
    several = {name[6:]: name for name in names if name.lower().startswith("image_") and name[6:]}
    if not several:
        _required(names, "Image", path)
    return several


def _required(names: Sequence[str], wanted: str, path: Path) -> str:
    found = find_column(names, wanted)
    if found is None:
        raise TableError(
            f"{path.name}: expected a column '{wanted}', got {', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}. {did_you_mean(wanted, names)}"
        )
    return found


def _made_ids(
    rows: Sequence[dict[str, str]], named_by: str, label: str | None, path: Path
) -> list[str]:
    of_mask = named_by.lower() == "mask"
    logger.warning(
        "%s has no id column; ids are made from %s (add a column 'id')",
        path.name,
        "mask file name and label" if of_mask else "image file name",
    )
    ids: list[str] = []
    for row in rows:
        stem = Path(row[named_by]).name
        while plain_suffix(Path(stem)) in {".nii", ".nrrd", ".mha", ".mhd", ".nhdr"}:
            stem = Path(stem.removesuffix(".gz")).stem
        text = row[label].strip() if label else ""
        ids.append(f"{stem}_label-{(text or '1').replace(';', '-')}" if of_mask else stem)
    return ids


def _path(row: dict[str, str], column: str, table: Path, where: str) -> str:
    text = row[column].strip()
    if not text:
        raise TableError(f"{where}: column '{column}' is empty; give the path of the file")
    return str((table.parent / text).absolute())


def _channel(text: str, where: str) -> int:
    return _whole_number(text, where, "Label_channel") if text.strip() else 0


def _whole_number(text: str, where: str, column: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not number.is_integer():
        raise TableError(
            f"{where}: column '{column}' must hold whole numbers"
            f"{' (1, or 1;2;4, or all)' if column == 'Label' else ''}, got '{text.strip()}'"
        )
    return int(number)
