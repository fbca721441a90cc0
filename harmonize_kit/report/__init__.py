"""A scorecard in, one offline HTML file out.

The page is read by people who did not run the analysis, so it is one file without network, it
says in sentences what the numbers allow to say and no more, and every figure has its numbers
behind it. What draws and renders is loaded when a report is written, not before.
"""

from harmonize_kit.report.write import write_report

__all__ = ["write_report"]
