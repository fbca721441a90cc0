"""Files that appear whole: written beside, synced, renamed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from harmonize_kit.errors import OutputError

PREFIX = ".writing-"
# A file this young may just have been made by someone who has not locked it yet.
YOUNG_SECONDS = 60.0


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Give a temporary path beside ``path``; on success it takes its place, on failure it goes.

    A reader sees the old file or the new one, never a part: the content is on the disk before the
    name changes, and the change of name is atomic. The temporary file is locked while its writer
    lives, so that :func:`remove_abandoned` can tell.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffixes stay, because image and table writers choose the format by them.
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=PREFIX, suffix="".join(path.suffixes)[-20:]
    )
    temporary = Path(name)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temporary
        _sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """Give a temporary folder beside ``path``; on success it takes that name, on failure it goes.

    Raises
    ------
    OutputError
        If ``path`` is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=PREFIX, suffix=path.suffix))
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        # One call for what may be thousands of files.
        os.sync()
        if path.exists():
            raise OutputError(f"{path} appeared while the result was written; choose another name")
        temporary.replace(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def scratch_folder(beside: Path) -> Generator[Path]:
    """Give a folder beside ``beside`` for what is needed until the block ends."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside.parent, prefix=PREFIX) as folder:
        yield Path(folder)


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files of writers that died, and leave those of writers at work.

    Where the file system knows no locks, everything stays; such files are never read, so that
    costs nothing but room.
    """
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if not path.is_file() or time.time() - path.stat().st_mtime < YOUNG_SECONDS:
                continue
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


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
