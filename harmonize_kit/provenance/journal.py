"""The journal: one line for each thing that happened to a case, in the order it happened."""

from __future__ import annotations

import errno
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
        """Append one event of the case ``case_id`` whose result has the digest ``key``.

        Raises
        ------
        OSError
            If the line cannot be written, or only a part of it.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps(
            {"id": case_id, "key": key, "event": event, "time": now, **more}, ensure_ascii=False
        )
        line = (text + "\n").encode()
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        finally:
            os.close(handle)

    def mend(self) -> None:
        """Cut off a last line that a full disk or a power failure left without its end."""
        if self.path.exists():
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(self.path, whole)
