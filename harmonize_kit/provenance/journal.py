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
    into one folder do not mix. A result that is reused adds no line, unless it has none: a process
    can be killed after it kept the result and before it could write so, and the next run makes up
    for it. So every result that is kept has been told of.
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

    def done(self) -> set[str]:
        """Return the keys that have a line ``done``; lines that cannot be read tell nothing."""
        keys = set[str]()
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            try:
                event = json.loads(line)
                if event["event"] == "done":
                    keys.add(event["key"])
            except (ValueError, TypeError, KeyError):
                continue
        return keys

    def make_up(self, case_id: str, key: str, done: set[str], **more: Any) -> None:
        """Write the line ``done`` of a result that is kept, and add it to ``done``, if it has none.

        How long it took is not known any more.

        Raises
        ------
        OSError
            As of :meth:`write`.
        """
        if key not in done:
            self.write(case_id, key, "done", **more)
            done.add(key)

    def mend(self) -> None:
        """Cut off a last line that a full disk or a power failure left without its end."""
        if self.path.exists():
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(self.path, whole)
