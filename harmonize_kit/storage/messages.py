"""What sites send each other: a folder of ``message.json`` and ``arrays.npz``, sealed as models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harmonize_kit.storage.sealed import Sealed, SealedFormat

MESSAGE = SealedFormat(
    "harmonize-kit/message", 1, "message.json", "message",
    noun="message", writer="federate", remedy="ask its sender for it again",
)  # fmt: skip


def save_message(
    folder: Path,
    kind: str,
    document: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    made_by: Mapping[str, Any],
) -> None:
    """Write a message as a whole folder; a message that is there is replaced.

    Raises
    ------
    ConfigError
        If ``folder`` is a file, or a folder that holds something other than a message.
    """
    MESSAGE.save(folder, kind, document, arrays, made_by)


def load_message(folder: Path) -> Sealed:
    """Read a message folder and prove that it is what was written.

    Raises
    ------
    ConfigError
        If there is no message at ``folder``.
    IntegrityError
        If a part is absent, damaged, changed since it was written, or from a newer version.
    """
    return MESSAGE.load(folder)
