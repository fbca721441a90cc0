"""Reading a model of translation, of whichever kind ``model.json`` says it is.

Networks need torch; whatever else a model is made of does not, and none is loaded.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.errors import ConfigError, IntegrityError
from harmonize_kit.flows.translate import Device, require_torch
from harmonize_kit.flows.translate_fitted import FORMAT, read_fitted
from harmonize_kit.flows.translate_model import TranslationModel
from harmonize_kit.flows.translate_tables import NETWORK
from harmonize_kit.storage.sealed import ARRAYS
from harmonize_kit.translation.model_document import DOCUMENT, WEIGHTS
from harmonize_kit.translation.model_document import SCHEMA as NETWORKS

FILES = {NETWORKS: (DOCUMENT, WEIGHTS), FORMAT.schema: (DOCUMENT, ARRAYS)}


def is_translation(folder: Path) -> bool:
    """Tell whether a folder says that it is a model of translation, whole or not."""
    try:
        return bool(_schema_of(folder))
    except (ConfigError, IntegrityError):
        return False


def holds_networks(folder: Path) -> bool:
    """Tell whether a model folder holds networks rather than a fitted translation.

    Raises
    ------
    ConfigError
        If there is no model.
    IntegrityError
        If its document is damaged, or of something else.
    """
    return _schema_of(folder) == NETWORKS


def method_of(folder: Path) -> str:
    """Return the name of the method a model folder holds; it raises as :func:`holds_networks`."""
    if holds_networks(folder):
        return NETWORK
    document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    return str(document["kind"])


def read_model(folder: Path, device: Device, allow: tuple[str, ...] = ()) -> TranslationModel:
    """Read a model folder and prove that it is what was written.

    Raises
    ------
    ConfigError
        If there is no model, or a network's code was not allowed.
    IntegrityError
        If a part is absent, damaged, changed since it was written, or from a newer version.
    DependencyError
        If it holds networks, and torch or the device is not there.
    """
    if not holds_networks(folder):
        return read_fitted(folder).model
    require_torch()
    from harmonize_kit.flows.translate_networks import TrainedTranslation

    return TrainedTranslation.read(folder, device, allow)


def model_digest(folder: Path) -> str:
    """Return the digest of a model's files."""
    return digest_value([digest_file(folder / name) for name in FILES[_schema_of(folder)]])


@lru_cache(maxsize=1)
def known_model(
    folder: str, sha256: str, device: Device, allow: tuple[str, ...]
) -> TranslationModel:
    """Read a model once a process; its digest tells it from one that took its place."""
    del sha256
    return read_model(Path(folder), device, allow)


def computed_on(device: Device, *, networks: bool) -> dict[str, str]:
    """Return what the last bits of a result depend on, beside the packages of every kind."""
    if not networks:
        return {"device": "cpu"}
    from harmonize_kit.translation.device import choose_device, describe_device

    return describe_device(choose_device(device))


def _schema_of(folder: Path) -> str:
    path = folder / DOCUMENT
    if not path.is_file():
        raise ConfigError(
            f"there is no translator at {folder} (no {DOCUMENT} in it); 'harmonize-kit translate "
            "train' or 'translate fit' writes one"
        )
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{folder}: {DOCUMENT} is damaged ({error}); make it anew") from error
    found = cast(dict[str, Any], document).get("schema") if isinstance(document, dict) else None
    if found not in FILES:
        raise IntegrityError(f"{folder}: {DOCUMENT} is not of a translator, it says '{found}'")
    return found
