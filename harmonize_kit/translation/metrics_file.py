"""Losses as they come, one JSON object a line."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize_kit.storage.whole import write_text
from harmonize_kit.translation.training_log import LogLine


@dataclass(frozen=True)
class MetricsFile:
    """The log that every training has; see :class:`.training_log.TrainingLog`."""

    path: Path

    def begin(self, step: int) -> None:
        """Keep the lines up to ``step``: what came later will come again."""
        if self.path.is_file():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            write_text(self.path, "".join(f"{line}\n" for line in lines if _step_of(line) <= step))

    def note(self, line: LogLine) -> None:
        """Append one line; what is not finite is written as text, as JSON knows no NaN."""
        told: dict[str, Any] = {"step": line.step, "site": line.site}
        told |= {name: v if math.isfinite(v) else str(v) for name, v in line.values.items()}
        if line.warnings:
            told["warnings"] = list(line.warnings)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n")

    def end(self) -> None:
        """Do nothing: every line is written as it comes."""


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # The last line of a run that was killed while it wrote.
        return math.inf
