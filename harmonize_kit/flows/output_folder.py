"""The folder a command writes to: opened, kept tidy, and its errors told as what they are."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from harmonize_kit.errors import ConfigError, OutputError
from harmonize_kit.provenance import Journal
from harmonize_kit.storage.whole import remove_abandoned

JOURNAL = "journal.jsonl"


def open_folder(folder: Path, needed: Iterable[Path], tidied: Iterable[Path] = ()) -> None:
    """Make folders ready, and clear away what a run that was killed left half done.

    Parameters
    ----------
    folder : Path
        Of the run; its journal is mended.
    needed : iterable of Path
        Folders to make, and to clear.
    tidied : iterable of Path
        Folders to clear where they are.

    Raises
    ------
    ConfigError
        If one cannot be written to; nothing was started.
    """
    made = (folder, *needed)
    for place in made:
        make_writable(place)
    Journal(folder / JOURNAL).mend()
    for place in {*made, *tidied}:
        remove_abandoned(place)


def make_writable(folder: Path) -> None:
    """Make a folder, where there is none, that can be written to.

    Raises
    ------
    ConfigError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to ({error.strerror})") from error


@contextmanager
def writing(folder: Path) -> Generator[None]:
    """Say of an error of the output folder that it is one."""
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(folder: Path, error: OSError) -> OutputError:
    """Return the error that ends a run whose output folder takes no more."""
    return OutputError(
        f"{folder} cannot be written to ({error.strerror or error}); what is done is kept: mend "
        "that and run the same again"
    )


def remove_products(folder: Path, products: Sequence[str]) -> None:
    """Remove what an earlier run left, so that it is not taken for the product of this one."""
    for name in products:
        (folder / name).unlink(missing_ok=True)
