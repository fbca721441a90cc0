"""Losses as they come, one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harmonize_kit.storage.whole import write_text


def note_losses(
    path: Path, step: int, site: str, values: Mapping[str, float], warnings: Sequence[str]
) -> None:
    """Append one line; what is not finite is written as text, as JSON knows no NaN."""
    line: dict[str, Any] = {"step": step, "site": site}
    line |= {name: v if math.isfinite(v) else str(v) for name, v in values.items()}
    if warnings:
        line["warnings"] = list(warnings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def cut_back(path: Path, step: int) -> None:
    """Keep the lines up to ``step``: what came later will come again."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        write_text(path, "".join(f"{line}\n" for line in lines if _step_of(line) <= step))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # The last line of a run that was killed while it wrote.
        return math.inf
