"""compare and report as Python users call them.

These two bear the names of the rooms that do the work. The rooms' packages are imported here first
(they load nothing by themselves), so that at the root the functions keep the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from harmonize_kit.combat import ComBat
    from harmonize_kit.config.compare import CompareConfig
    from harmonize_kit.core.harmonizer import Harmonizer
    from harmonize_kit.core.scorecard import Scorecard
    from harmonize_kit.core.table import FeatureTable

for _room in ("compare", "report"):
    import_module(f"harmonize_kit.{_room}")


def compare(
    candidates: Mapping[str, FeatureTable | Harmonizer | ComBat],
    *,
    site: str,
    biology: Sequence[str] = (),
    outcome: str | None = None,
    subject: str | None = None,
    table: FeatureTable | None = None,
    config: CompareConfig | None = None,
) -> Scorecard:
    """Judge how much of the site each candidate leaves, and how much biology it keeps.

    A table is judged as it is; a harmonizer (or an unfitted estimator such as ``ComBat``) is
    refitted on the training cases of each fold of ``table``, which is what makes its held-out
    scores valid. See :func:`harmonize_kit.compare.judge.compare` for parameters and errors.

    Examples
    --------
    >>> hk.compare({"raw": table, "combat": hk.ComBat(preserve="age")},
    ...            site="site", biology=["age"], table=table)  # doctest: +SKIP
    """
    from harmonize_kit.combat import ComBat
    from harmonize_kit.compare.judge import compare as judge

    plain = {
        name: candidate.harmonizer() if isinstance(candidate, ComBat) else candidate
        for name, candidate in candidates.items()
    }
    return judge(
        plain, site=site, biology=biology, outcome=outcome, subject=subject, table=table,
        config=config,
    )  # fmt: skip


def report(
    scorecard: Scorecard,
    directory: str | Path,
    *,
    title: str = "Site-effect report",
    truth: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
    methods: Mapping[str, str] | None = None,
    show_ids: bool = False,
) -> Path:
    """Write ``report.html``, ``report.json``, ``scores.csv`` and figures; return the page's path.

    Case ids stay out of the page unless ``show_ids`` is set, because it is made to be passed on.
    See :func:`harmonize_kit.report.write.write_report` for the other parameters and errors.
    """
    from harmonize_kit.report.write import write_report

    return write_report(
        scorecard, directory, title=title, truth=truth, provenance=provenance, methods=methods,
        show_ids=show_ids,
    )  # fmt: skip
