"""report.json: the numbers of the page for programs, as strict JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import pandas as pd

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.report.frames import names
from harmonize_kit.report.guarded import guard_rows
from harmonize_kit.report.image_table import image_rows
from harmonize_kit.report.material import Material
from harmonize_kit.report.reader_ratings import ratings_document

SCHEMA = "harmonize-kit/report/1"


def document(
    card: Scorecard,
    title: str,
    truth: pd.DataFrame | None,
    provenance: Mapping[str, Any],
    material: Material,
) -> str:
    """Return the text of report.json; it holds no case ids.

    ``features`` and ``embeddings`` hold columns, not rows, each as long as the others.
    """
    content = {
        "schema": SCHEMA,
        "title": title,
        "scores": card.to_records(),
        "about": card.about,
        "truth": None if truth is None else truth.to_dict(orient="records"),
        "provenance": provenance,
        "features": {
            name: {"feature": names(frame), **_columns(frame)}
            for name, frame in card.features.items()
        },
        "embeddings": {name: _columns(frame) for name, frame in card.embeddings.items()},
        **_beside(material),
    }
    return json.dumps(plain(content), allow_nan=False, separators=(",", ":")) + "\n"


def _beside(material: Material) -> dict[str, Any]:
    """Return what is shown beside the scores, without the voxels; nothing where there is none."""
    content: dict[str, Any] = {
        "shrinkage": [asdict(estimates) for estimates in material.shrinkage],
        "ranges": [asdict(found) for found in material.ranges],
        "unseen_sites": dict(material.unseen),
        "failures": {name: dict(counts) for name, counts in material.failures.items()},
        "images": image_rows(material.images),
        "translated": guard_rows(material.guarded),
        "ratings": ratings_document(material.ratings),
    }
    return {key: value for key, value in content.items() if value}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: what is no finite number is null, what is odd is text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, np.ndarray):
        return plain(cast(Any, value).tolist())
    if isinstance(value, AbstractSet):
        return sorted(plain(item) for item in cast(AbstractSet[Any], value))
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in cast(Sequence[Any], value)]
    return None if value is pd.NaT or value is pd.NA else str(value)


def _columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(column): frame[column].tolist() for column in frame.columns}
