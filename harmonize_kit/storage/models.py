"""Saved models: a folder of ``model.json`` and ``arrays.npz``, with a digest over both.

Never a pickle: loading runs no code, and the document says what the arrays must be.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.digest import digest_arrays, digest_value
from harmonize_kit.errors import ConfigError, IntegrityError

SCHEMA = "harmonize-kit/model"
VERSION = 1
DOCUMENT, ARRAYS = "model.json", "arrays.npz"


def save_model(
    folder: Path,
    kind: str,
    document: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    made_by: Mapping[str, Any],
) -> None:
    """Write a model as a whole folder; a model that is there is replaced.

    Raises
    ------
    ConfigError
        If ``folder`` is a file, or a folder that holds something other than a model.
    """
    if folder.exists() and not _is_model_or_empty(folder):
        raise ConfigError(f"{folder} exists and is no model; choose another name with -o")
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "kind": kind,
        "made_by": dict(made_by),
        "model": dict(document),
        "arrays_sha256": digest_arrays(arrays),
    }
    body["sha256"] = digest_value(body)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
    try:
        beside.chmod(0o755)
        np.savez(beside / ARRAYS, **dict(arrays))  # pyright: ignore
        text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
        (beside / DOCUMENT).write_text(text + "\n", encoding="utf-8")
        _take_place(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@dataclass(frozen=True)
class StoredModel:
    """What a model folder holds: its kind, document and arrays, and what made it."""

    kind: str
    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    made_by: Mapping[str, Any]


def load_model(folder: Path) -> StoredModel:
    """Read a model folder and prove that it is what was written.

    Raises
    ------
    ConfigError
        If there is no model at ``folder``.
    IntegrityError
        If a part is absent, damaged, changed since it was written, or from a newer version.
    """
    if folder.is_file():
        raise IntegrityError(
            f"{folder.name} is a file; expected a model folder as 'fit' writes it "
            "(pickles are not read, since reading one can run code)"
        )
    if not (folder / DOCUMENT).is_file():
        raise ConfigError(f"there is no model at {folder} (no {DOCUMENT} in it)")
    body = _read_document(folder)
    stated = body.pop("sha256", None)
    if body.get("schema") != SCHEMA:
        raise IntegrityError(f"{folder}: {DOCUMENT} is not of a harmonize_kit model")
    if body.get("version") != VERSION:
        raise IntegrityError(
            f"{folder}: written in format {body.get('version')}, this version reads {VERSION}; "
            "update harmonize_kit"
        )
    parts = {"kind": str, "model": dict, "made_by": dict, "arrays_sha256": str}
    if not all(isinstance(body.get(name), kind) for name, kind in parts.items()):
        raise IntegrityError(f"{folder}: {DOCUMENT} lacks a part; fit anew")
    if not _is_as_written(body, stated):
        raise IntegrityError(f"{folder}: {DOCUMENT} was changed after it was written; fit anew")
    arrays = _read_arrays(folder)
    if body["arrays_sha256"] != digest_arrays(arrays):
        raise IntegrityError(f"{folder}: {ARRAYS} was changed after it was written; fit anew")
    return StoredModel(body["kind"], body["model"], arrays, body["made_by"])


def _read_document(folder: Path) -> dict[str, Any]:
    try:
        body: Any = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{folder}: {DOCUMENT} is damaged ({error}); fit anew") from error
    if not isinstance(body, dict):
        raise IntegrityError(f"{folder}: {DOCUMENT} is not of a harmonize_kit model")
    return cast(dict[str, Any], body)


def _is_as_written(body: dict[str, Any], stated: object) -> bool:
    try:
        return stated == digest_value(body)
    except (ValueError, RecursionError):
        return False


def _read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(folder / ARRAYS) as packed:
            # What 'fit' writes is not compressed, so a small file cannot swell when it is read.
            if any(info.compress_type != zipfile.ZIP_STORED for info in packed.infolist()):
                raise IntegrityError(f"{folder}: {ARRAYS} is not as 'fit' writes it; fit anew")
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder}: {ARRAYS} is missing; copy the whole folder") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{folder}: {ARRAYS} is damaged ({error}); fit anew") from error


def _is_model_or_empty(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    if not names:
        return True
    if names != {DOCUMENT, ARRAYS}:
        return False
    try:
        return _read_document(folder).get("schema") == SCHEMA
    except IntegrityError:
        return False


def _take_place(beside: Path, folder: Path) -> None:
    for part in (DOCUMENT, ARRAYS):
        with (beside / part).open("rb") as file:
            os.fsync(file.fileno())
    if not folder.exists():
        beside.replace(folder)
        return
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".replaced-"))
    old = aside / folder.name
    folder.replace(old)
    try:
        beside.replace(folder)
    except BaseException:
        old.replace(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
