"""The journal: one line for each thing that happened to a case, in the order it happened."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Event = Literal["done", "failed", "retried"]


@dataclass(frozen=True)
class Journal:
    """An append-only file of JSON lines.

    Each line is written by one system call on a file opened for appending, so lines of two runs
    into one folder do not mix. A result that is reused adds no line.
    """

    path: Path

    def write(self, case_id: str, key: str, event: Event, **more: Any) -> None:
        """Append one event of the case ``case_id`` whose result has the digest ``key``."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(
            {"id": case_id, "key": key, "event": event, "time": now, **more}, ensure_ascii=False
        )
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, (line + "\n").encode())
        finally:
            os.close(handle)
