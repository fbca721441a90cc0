"""Files that appear whole: written beside, synced, renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Give a temporary path beside ``path``; on success it takes its place, on failure it goes.

    A reader sees the old file or the new one, never a part: the content is on the disk before the
    name changes, and the change of name is atomic.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffixes stay, because image and table writers choose the format by them.
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=".writing-", suffix="".join(path.suffixes)[-20:]
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as a whole file."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
