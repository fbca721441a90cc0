"""What a trained translator says of itself: ``model.json``, proven to be as it was written.

Reading it needs no torch, so that a model can be looked at where it cannot be used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.errors import ConfigError, IntegrityError

SCHEMA = "harmonize-kit/translator"
VERSION = 1
WEIGHTS, DOCUMENT = "model.safetensors", "model.json"
SPACING = "spacing_mm"  # in what is told of the training: sides of its voxels, if they are known
DEGRADATION = "degradation"  # beside it: blur and noise of each site, if they were measured


def read_model_document(folder: Path) -> dict[str, Any]:
    """Read the document of a model folder, and prove that it and the weights are as written.

    Raises
    ------
    ConfigError
        If there is no translator.
    IntegrityError
        If a part is absent, damaged, changed since it was written, or from a newer version.
    """
    document = _read(folder)
    if not (folder / WEIGHTS).is_file():
        raise IntegrityError(f"{folder}: {WEIGHTS} is missing; copy the whole folder")
    if digest_file(folder / WEIGHTS) != document["weights_sha256"]:
        raise IntegrityError(f"{folder}: {WEIGHTS} was changed after it was written; train anew")
    return document


def _read(folder: Path) -> dict[str, Any]:
    path = folder / DOCUMENT
    if not path.is_file():
        raise ConfigError(f"there is no translator at {folder} (no {DOCUMENT} in it)")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        stated = document.pop("sha256")
        schema, version = document["schema"], document["version"]
        whole = stated == digest_value(document)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{folder}: {DOCUMENT} is damaged ({error}); train anew") from error
    if schema != SCHEMA:
        raise IntegrityError(f"{folder}: {DOCUMENT} is not of a translator, it says '{schema}'")
    if version != VERSION:
        raise IntegrityError(
            f"{folder}: written in format {version}, this version reads {VERSION}; update "
            "harmonize_kit"
        )
    if not whole:
        raise IntegrityError(f"{folder}: {DOCUMENT} was changed after it was written; train anew")
    return document
