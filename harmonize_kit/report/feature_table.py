"""The per-feature table: site effect and associations of each feature, candidate by candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from harmonize_kit.report.frames import all_features, by_name, statistics_of
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import fixed, shown

MAX_CELLS = 6000
_SIGNIFICANT = 0.05
_MARK = "†"


def feature_table(features: Mapping[str, pd.DataFrame]) -> Table | None:
    """Return one row a feature, strongest site effect of the first candidate on top.

    The page holds at most :data:`MAX_CELLS` numbers; report.json holds all.
    """
    names = all_features(features)
    if not names:
        return None
    statistics = statistics_of(features)
    columns = [
        (by_name(frame, statistic.column), by_name(frame, statistic.q))
        for statistic in statistics
        for frame in features.values()
    ]
    first = columns[0][0]
    ordered = sorted(names, key=lambda name: -_or(first.get(name), -math.inf))
    kept = ordered[: max(1, MAX_CELLS // len(columns))]
    rows = tuple(
        (text_cell(name), *(_cell(effects.get(name), qs.get(name)) for effects, qs in columns))
        for name in kept
    )
    groups = (("", 1), *((statistic.heading, len(features)) for statistic in statistics))
    head = ("Feature", *(shown(name) for _ in statistics for name in features))
    return Table(
        _caption(len(kept), len(names)), head, rows, groups, _notes(len(kept), names), "numbers"
    )


def _caption(kept: int, total: int) -> str:
    if kept == total:
        return f"All {total:,} features"
    return f"The {kept:,} of {total:,} features with the largest site effect"


def _notes(kept: int, names: list[str]) -> tuple[str, ...]:
    mark = f"{_MARK} q < {_SIGNIFICANT} (false discovery rate over features)."
    rest = ("report.json holds all features, with p and q values.",)
    return (mark, *(rest if kept < len(names) else ("p and q values are in report.json.",)))


def _cell(effect: float | None, q: float | None) -> Cell:
    if effect is None or not math.isfinite(effect):
        return Cell(fixed(None, 3))
    mark = _MARK if _or(q, 1.0) < _SIGNIFICANT else ""
    return Cell(fixed(effect, 3), mark=mark, sort=f"{effect:.4g}")


def _or(value: float | None, otherwise: float) -> float:
    return value if value is not None and math.isfinite(value) else otherwise
