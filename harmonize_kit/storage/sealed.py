"""A folder of one JSON document and ``arrays.npz``, with a digest over both.

Never a pickle: reading runs no code, and the document says what the arrays must be. A digest finds
damage and change; who wrote a folder, it does not prove.
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

ARRAYS = "arrays.npz"


@dataclass(frozen=True)
class Sealed:
    """What a sealed folder holds: its kind, document and arrays, and what made it."""

    kind: str
    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    made_by: Mapping[str, Any]


@dataclass(frozen=True)
class SealedFormat:
    """One format of sealed folders.

    Parameters
    ----------
    schema : str
        Names the format inside the document.
    version : int
    file : str
        Name of the document.
    body : str
        Key of the document's own part.
    noun : str
        What the folder is, for messages: "model".
    writer : str
        The command that writes it.
    remedy : str
        What to do about a damaged one.
    """

    schema: str
    version: int
    file: str
    body: str
    noun: str
    writer: str
    remedy: str

    def save(
        self,
        folder: Path,
        kind: str,
        document: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        made_by: Mapping[str, Any],
    ) -> None:
        """Write a whole folder; one of this format that is there is replaced.

        Raises
        ------
        ConfigError
            If ``folder`` is a file, or a folder that holds something else.
        """
        self.require_free(folder)
        body: dict[str, Any] = {
            "schema": self.schema,
            "version": self.version,
            "kind": kind,
            "made_by": dict(made_by),
            self.body: dict(document),
            "arrays_sha256": digest_arrays(arrays),
        }
        body["sha256"] = digest_value(body)
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
        try:
            beside.chmod(0o755)
            np.savez(beside / ARRAYS, **dict(arrays))  # pyright: ignore
            text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
            (beside / self.file).write_text(text + "\n", encoding="utf-8")
            _take_place(beside, folder, (self.file, ARRAYS))
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def require_free(self, folder: Path) -> None:
        """Raise ConfigError where a folder could not be written: something else is there."""
        if folder.exists() and not self._is_own_or_empty(folder):
            raise ConfigError(f"{folder} exists and is no {self.noun}; choose another name with -o")

    def load(self, folder: Path) -> Sealed:
        """Read a folder and prove that it is what was written.

        Raises
        ------
        ConfigError
            If there is nothing of this format at ``folder``.
        IntegrityError
            If a part is absent, damaged, changed since it was written, or from a newer version.
        """
        if folder.is_file():
            raise IntegrityError(
                f"{folder.name} is a file; expected a {self.noun} folder as '{self.writer}' writes "
                "it (pickles are not read, since reading one can run code)"
            )
        if not (folder / self.file).is_file():
            raise ConfigError(f"there is no {self.noun} at {folder} (no {self.file} in it)")
        body = self._read_document(folder)
        stated = body.pop("sha256", None)
        if body.get("schema") != self.schema:
            raise IntegrityError(f"{folder}: {self.file} is not of a harmonize_kit {self.noun}")
        if body.get("version") != self.version:
            raise IntegrityError(
                f"{folder}: written in format {body.get('version')}, this version reads "
                f"{self.version}; update harmonize_kit"
            )
        parts = {"kind": str, self.body: dict, "made_by": dict, "arrays_sha256": str}
        if not all(isinstance(body.get(name), kind) for name, kind in parts.items()):
            raise IntegrityError(f"{folder}: {self.file} lacks a part; {self.remedy}")
        if not _is_as_written(body, stated):
            raise IntegrityError(
                f"{folder}: {self.file} was changed after it was written; {self.remedy}"
            )
        arrays = self._read_arrays(folder)
        if body["arrays_sha256"] != digest_arrays(arrays):
            raise IntegrityError(
                f"{folder}: {ARRAYS} was changed after it was written; {self.remedy}"
            )
        return Sealed(body["kind"], body[self.body], arrays, body["made_by"])

    def _read_document(self, folder: Path) -> dict[str, Any]:
        try:
            body: Any = json.loads((folder / self.file).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise IntegrityError(
                f"{folder}: {self.file} is damaged ({error}); {self.remedy}"
            ) from error
        if not isinstance(body, dict):
            raise IntegrityError(f"{folder}: {self.file} is not of a harmonize_kit {self.noun}")
        return cast(dict[str, Any], body)

    def _read_arrays(self, folder: Path) -> dict[str, NDArray[Any]]:
        try:
            with zipfile.ZipFile(folder / ARRAYS) as packed:
                # What is written is not compressed, so a small file cannot swell when it is read.
                if any(info.compress_type != zipfile.ZIP_STORED for info in packed.infolist()):
                    raise IntegrityError(
                        f"{folder}: {ARRAYS} is not as '{self.writer}' writes it; {self.remedy}"
                    )
            with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except FileNotFoundError as error:
            raise IntegrityError(f"{folder}: {ARRAYS} is missing; copy the whole folder") from error
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise IntegrityError(
                f"{folder}: {ARRAYS} is damaged ({error}); {self.remedy}"
            ) from error

    def _is_own_or_empty(self, folder: Path) -> bool:
        if not folder.is_dir():
            return False
        names = {path.name for path in folder.iterdir()}
        if not names:
            return True
        if names != {self.file, ARRAYS}:
            return False
        try:
            return self._read_document(folder).get("schema") == self.schema
        except IntegrityError:
            return False


def _is_as_written(body: dict[str, Any], stated: object) -> bool:
    try:
        return stated == digest_value(body)
    except (ValueError, RecursionError):
        return False


def _take_place(beside: Path, folder: Path, parts: tuple[str, ...]) -> None:
    for part in parts:
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
