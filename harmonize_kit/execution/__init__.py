"""The one seam between a function and the many cases it is mapped over."""

from harmonize_kit.execution.cases import count_workers, map_cases
from harmonize_kit.execution.outcome import Done, Failed

__all__ = ["Done", "Failed", "count_workers", "map_cases"]
