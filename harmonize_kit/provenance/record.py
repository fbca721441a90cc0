"""The run record: what was run, with which choices and versions, on which inputs."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "harmonize-kit", "numpy", "scipy", "pandas", "pyarrow", "SimpleITK", "pyradiomics-bhklab",
    "PyWavelets", "scikit-learn", "formulaic", "distributed", "nilearn", "torch", "safetensors",
    "deepbet", "dcm2niix",
)  # fmt: skip


@dataclass(frozen=True)
class RunRecord:
    """Begun when a command starts; :meth:`finish` gives the document that is kept.

    Parameters
    ----------
    command : str
        Name of the command.
    configuration : mapping
        All choices, defaults included, as plain values.
    inputs : mapping of str to str
        Digest of each input table or model, by file name.
    """

    command: str
    configuration: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def finish(self, **counts: Any) -> dict[str, Any]:
        """Return the record with its counts and times, ready for JSON."""
        now = datetime.now(UTC)
        return {
            "schema": "harmonize-kit/run/1",
            "command": self.command,
            "configuration": dict(self.configuration),
            "inputs": dict(self.inputs),
            "counts": counts,
            "versions": versions(),
            "started": self.started.isoformat(timespec="seconds"),
            "finished": now.isoformat(timespec="seconds"),
            "seconds": round((now - self.started).total_seconds(), 3),
        }


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the packages a result depends on."""
    found = {"python": sys.version.split()[0], "system": platform.system()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
