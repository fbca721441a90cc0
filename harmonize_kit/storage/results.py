"""Results of cases, kept under the digest of all that made them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harmonize_kit.core.digest import digest_value
from harmonize_kit.storage.whole import write_text

OWNER_LENGTH = 12
# Names that are safe on every file system; others are replaced by a digest.
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def owner_of(case_id: str) -> str:
    """Return what the keys of a case begin with: the digest of its id, shortened."""
    return digest_value(case_id)[:OWNER_LENGTH]


def plain_name(name: str) -> str:
    """Return a name for a file: the name itself, or its digest where not every system takes it."""
    safe = PLAIN_NAME.fullmatch(name) and not RESERVED.fullmatch(name)
    return name if safe else owner_of(name)


@dataclass(frozen=True)
class ResultStore:
    """A folder of results, one JSON file a key.

    The key is a digest of everything that determines the result (configuration, version, image
    and mask content, label), so a result can never be stale: another input has another key. Two
    runs into one folder write the same bytes under the same name. A key begins with the digest of
    the case's id, so that the names alone tell which cases have results at all.
    """

    folder: Path

    def path(self, key: str) -> Path:
        """Return the file of ``key``."""
        return self.folder / f"{key}.json"

    def owners(self) -> frozenset[str]:
        """Return the beginnings of the keys that are there; see :func:`owner_of`."""
        try:
            with os.scandir(self.folder) as entries:
                return frozenset(entry.name[:OWNER_LENGTH] for entry in entries)
        except FileNotFoundError:
            return frozenset()

    def all_keys(self) -> list[str]:
        """Return the keys that are there."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json"))

    def keys_of(self, case_id: str) -> list[str]:
        """Return the keys of a case that are there."""
        return sorted(path.stem for path in self.folder.glob(f"{owner_of(case_id)}-*.json"))

    def remove(self, key: str) -> None:
        """Remove the result of ``key``, if it is there."""
        self.path(key).unlink(missing_ok=True)

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the result of ``key``, or None where there is none that is whole."""
        try:
            text = self.path(key).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        body = text[len(_wrapped("")) - 2 : -2]
        return cast(dict[str, Any], json.loads(body)) if text == _wrapped(body) else None

    def write(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep ``result`` under ``key`` as a whole file; floats come back as the same float64."""
        body = json.dumps(dict(result), allow_nan=False, ensure_ascii=False)
        write_text(self.path(key), _wrapped(body))


def _wrapped(body: str) -> str:
    """Return a JSON object that holds another one, with the SHA-256 of its text."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{{"sha256": "{digest}", "result": {body}}}\n'
