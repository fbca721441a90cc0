"""Arrays that are kept between the stages of a case: bit for bit, one uncompressed file a key."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import IntegrityError
from harmonize_kit.storage.whole import whole_file


@dataclass(frozen=True)
class ArrayStore:
    """A folder of named arrays, one ``.npz`` file a key.

    Nothing is compressed: the arrays are needed again within seconds, and noise hardly shrinks. The
    files bear the checksums of their format, so that damage is found when they are read; a file
    that is there is whole, since it was renamed to its name.
    """

    folder: Path

    def path(self, key: str) -> Path:
        """Return the file of ``key``."""
        return self.folder / f"{key}.npz"

    def has(self, key: str, size: int) -> bool:
        """Tell whether the file of ``key`` is there with ``size`` bytes; 0 means none is needed."""
        try:
            return size == 0 or self.path(key).stat().st_size == size
        except OSError:
            return False

    def write(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> int:
        """Keep ``arrays`` under ``key`` and return the size of the file in bytes, 0 for none."""
        if not arrays:
            return 0
        with whole_file(self.path(key)) as temporary:
            with temporary.open("wb") as file:
                np.savez(file, **dict(arrays))  # pyright: ignore
            return temporary.stat().st_size

    def read(self, key: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """Return the arrays of ``key`` called ``names``.

        Raises
        ------
        IntegrityError
            If the file is absent or damaged.
        """
        try:
            with self.path(key).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in names}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise IntegrityError(
                f"{self.path(key).name}, kept from an earlier stage, is damaged ({error}); run "
                "with --force"
            ) from error

    def remove_all(self, owner: str) -> None:
        """Remove what is kept under keys that begin with ``owner``."""
        for path in self.folder.glob(f"{owner}-*.npz"):
            path.unlink(missing_ok=True)
