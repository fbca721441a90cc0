"""Results of cases, kept under the digest of all that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harmonize_kit.core.digest import digest_value
from harmonize_kit.storage.whole import write_text


@dataclass(frozen=True)
class ResultStore:
    """A folder of results, one JSON file a key.

    The key is a digest of everything that determines the result (configuration, version, image
    and mask content, label), so a result can never be stale: another input has another key. Two
    runs into one folder write the same bytes under the same name.
    """

    folder: Path

    def path(self, key: str) -> Path:
        """Return the file of ``key``."""
        return self.folder / f"{key}.json"

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the result of ``key``, or None where there is none that is whole."""
        try:
            stored: Any = json.loads(self.path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(stored, dict):
            return None
        known = cast(dict[str, Any], stored)
        result = known.get("result")
        return result if known.get("sha256") == digest_value(result) else None

    def write(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep ``result`` under ``key`` as a whole file; floats come back as the same float64."""
        plain = dict(result)
        body = {"sha256": digest_value(plain), "result": plain}
        write_text(self.path(key), json.dumps(body, allow_nan=False, ensure_ascii=False) + "\n")
