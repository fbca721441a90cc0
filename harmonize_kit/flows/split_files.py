"""The files of a split: cohort tables whose paths hold from where they stand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pandas as pd

from harmonize_kit.config.split import PARTS, SplitConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.flows.split_input import SplitInput
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.whole import write_text

RECORD = "split.json"
WHOLE = "cohort.csv"
_OURS = re.compile(r"(?:fold-\d+/)?(?:train|validation|test)\.csv|cohort\.csv")


def require_free(output: Path, cohort: Path) -> None:
    """Refuse a folder whose tables are not those of an earlier split, before any work.

    Raises
    ------
    ConfigError
        If a table stands there that no split wrote, or the cohort itself does.
    """
    ours = _written_before(output)
    names = {f"{part}.csv" for parts in PARTS.values() for part in parts} | {WHOLE}
    if output.resolve() == cohort.resolve().parent and cohort.name in names:
        raise ConfigError(
            f"{cohort.name} lies in {output} itself and could be overwritten; choose another "
            "folder with -o"
        )
    foreign = sorted(name for name in names if (output / name).exists() and name not in ours)
    if foreign:
        raise ConfigError(
            f"{output} holds {foreign[0]}, which no split wrote; choose another folder with -o"
        )


def write_split(
    source: SplitInput,
    assigned: Sequence[str],
    config: SplitConfig,
    output: Path,
    column: str | None,
    record: Mapping[str, Any],
) -> tuple[Path, ...]:
    """Write the parts, and the record last.

    An earlier split goes first, so that whatever happens its parts never stand beside new ones,
    which would put a subject into two of them.
    """
    parts = pd.Series(list(assigned), dtype=object)
    tables: dict[str, pd.DataFrame] = {}
    if config.folds is None:
        tables |= {f"{part}.csv": source.frame[parts == part] for part in config.parts}
    for fold in config.parts if config.folds is not None else ():
        tables[f"{fold}/train.csv"] = source.frame[parts != fold]
        tables[f"{fold}/test.csv"] = source.frame[parts == fold]
    if column is not None:
        tables[WHOLE] = source.frame.assign(**{column: parts})
    _remove_earlier(output)
    for name, frame in tables.items():
        write_text_table(rebased(frame, source.path, (output / name).parent), output / name)
    document = {**record, "files": sorted(tables)}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(output / RECORD, f"{text}\n")
    return tuple(output / name for name in tables)


def rebased(frame: pd.DataFrame, table: Path, folder: Path) -> pd.DataFrame:
    """Return a cohort whose relative paths hold from ``folder`` instead of the table's folder.

    Absolute paths stay. Folders are followed to where they really are, since ``..`` leads elsewhere
    behind a link.
    """
    here, there = Path(os.path.realpath(table.parent)), os.path.realpath(folder)

    def path(text: object) -> str:
        told = str(text).strip()
        if not told or Path(told).is_absolute():
            return told
        place = here / told
        return os.path.join(os.path.relpath(os.path.realpath(place.parent), there), place.name)  # noqa: PTH118

    named = _path_columns([str(name) for name in frame.columns])
    return frame.assign(**{name: frame[name].map(path) for name in named})


def _path_columns(names: Sequence[str]) -> list[str]:
    single = any(name.lower() == "image" for name in names)
    return [
        name
        for name in names
        if name.lower() in {"image", "mask", "brain_mask"}
        or (not single and name.lower().startswith("image_"))
    ]


def _remove_earlier(output: Path) -> None:
    for name in sorted(_written_before(output)):
        (output / name).unlink(missing_ok=True)
        if "/" in name:
            with suppress(OSError):  # something else lies in the folder
                (output / name).parent.rmdir()
    (output / RECORD).unlink(missing_ok=True)


def _written_before(output: Path) -> set[str]:
    """Return the tables an earlier split wrote into a folder, as its record says."""
    try:
        document = json.loads((output / RECORD).read_text(encoding="utf-8"))
        files = cast(list[object], document["files"])
        return {name for name in files if isinstance(name, str) and _OURS.fullmatch(name)}
    except (OSError, ValueError, LookupError, TypeError):
        return set()
