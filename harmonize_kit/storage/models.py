"""Saved models: a folder of ``model.json`` and ``arrays.npz``, with a digest over both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harmonize_kit.storage.sealed import Sealed, SealedFormat

StoredModel = Sealed
MODEL = SealedFormat(
    "harmonize-kit/model", 1, "model.json", "model", noun="model", writer="fit", remedy="fit anew"
)


def save_model(
    folder: Path,
    kind: str,
    document: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    made_by: Mapping[str, Any],
) -> None:
    """Write a model as a whole folder; a model that is there is replaced.

    Raises
    ------
    ConfigError
        If ``folder`` is a file, or a folder that holds something other than a model.
    """
    MODEL.save(folder, kind, document, arrays, made_by)


def load_model(folder: Path) -> StoredModel:
    """Read a model folder and prove that it is what was written.

    Raises
    ------
    ConfigError
        If there is no model at ``folder``.
    IntegrityError
        If a part is absent, damaged, changed since it was written, or from a newer version.
    """
    return MODEL.load(folder)
