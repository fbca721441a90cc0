"""A scorecard in, one offline HTML file out.

The page is read by people who did not run the analysis, so it is one file without network, it
says in sentences what the numbers allow to say and no more, and every figure has its numbers
behind it. What draws and renders is loaded when a report is written, not before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harmonize_kit.report.write import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    if name == "write_report":
        return import_module("harmonize_kit.report.write").write_report
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
