"""The judge: tables in, a scorecard out; it never knows how a table was made."""

from harmonize_kit.compare.judge import compare
from harmonize_kit.compare.partial_eta_squared import partial_eta_squared

__all__ = ["compare", "partial_eta_squared"]
