"""The judge: tables in, a scorecard out; it never knows how a table was made.

Its metrics are imported when they are first used, so that a command which judges nothing starts
at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harmonize_kit.compare.judge import compare
    from harmonize_kit.config.compare import CompareConfig

__all__ = ["CompareConfig", "compare"]

_HOMES = {
    "CompareConfig": "harmonize_kit.config.compare",
    "compare": "harmonize_kit.compare.judge",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
