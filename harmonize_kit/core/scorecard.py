"""A scorecard: what a comparison found, one row a candidate and metric, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

Family = Literal["site", "biology"]


@dataclass(frozen=True)
class Null:
    """What a metric gives when there is nothing to find (a permutation distribution).

    ``low`` and ``high`` bound its central 95 %; ``p`` is two-sided, (1 + as extreme) / (1 + drawn).
    """

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Score:
    """One number with its uncertainty.

    Parameters
    ----------
    candidate : str
        Name of the table or harmonizer that was judged.
    family : {"site", "biology"}
        Whether the metric says how much of the site is left or how much biology is kept.
    metric, target : str
        What was measured, and of which column (the site column, a covariate, an outcome).
    value : float
    interval : tuple of float, optional
        95 % interval over subjects.
    null : Null, optional
        Permutation null.
    higher_is_better : bool
    note : str
        What a reader must know to read the number rightly; empty where nothing special.
    """

    candidate: str
    family: Family
    metric: str
    target: str
    value: float
    higher_is_better: bool
    interval: tuple[float, float] | None = None
    null: Null | None = None
    note: str = ""


@dataclass(frozen=True)
class Scorecard:
    """Scores of all candidates, and the per-feature tables behind them.

    Parameters
    ----------
    scores : tuple of Score
    features : mapping of str to DataFrame
        By candidate: one row a feature, one column a per-feature statistic
        (``partial_eta_squared``, ``q``, and ``<covariate>_effect`` ...).
    embeddings : mapping of str to DataFrame
        By candidate: one row a case with two coordinates and its site, for the picture.
    about : mapping
        Site column, covariates, sites and counts, seeds and settings of the comparison.
    """

    scores: tuple[Score, ...]
    features: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))
    embeddings: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))
    about: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    @property
    def candidates(self) -> list[str]:
        """Names of the candidates in the order they were given."""
        return list(dict.fromkeys(score.candidate for score in self.scores))

    def find(self, candidate: str, metric: str, target: str | None = None) -> Score | None:
        """Return one score, or None where the comparison did not make it."""
        for score in self.scores:
            if (score.candidate, score.metric) == (candidate, metric) and target in (
                None,
                score.target,
            ):
                return score
        return None

    def with_scores(self, scores: Iterable[Score]) -> Scorecard:
        """Return the same comparison with further scores, as those of images, behind its own."""
        return replace(self, scores=(*self.scores, *scores))

    def to_frame(self) -> pd.DataFrame:
        """Return the scores as a long table, one row a score."""
        return pd.DataFrame([_row(score) for score in self.scores])

    def to_records(self) -> list[dict[str, Any]]:
        """Return the scores as plain objects for JSON; what is not a number there is null."""
        return [_record(score) for score in self.scores]

    def to_table(self) -> pd.DataFrame:
        """Return metrics x candidates as text: each value, with its 95 % interval behind it."""
        cells: dict[tuple[str, str, str], dict[str, str]] = {}
        for score in self.scores:
            interval = "" if score.interval is None else " [{:.3g}, {:.3g}]".format(*score.interval)
            row = cells.setdefault((score.family, score.metric, score.target), {})
            row.setdefault(score.candidate, f"{score.value:.3g}{interval}")
        index = pd.MultiIndex.from_tuples(list(cells), names=["family", "metric", "target"])
        rows = [[row.get(name, "") for name in self.candidates] for row in cells.values()]
        return pd.DataFrame(rows, index=index, columns=pd.Index(self.candidates, dtype=object))

    def _repr_html_(self) -> str:
        """Return what a notebook shows; names are escaped."""
        return self.to_table().to_html(escape=True) if self.scores else "<p>no scores</p>"


def _row(score: Score) -> dict[str, Any]:
    low, high = score.interval or (np.nan, np.nan)
    null = score.null or Null(np.nan, np.nan, np.nan, np.nan)
    return {
        "candidate": score.candidate,
        "family": score.family,
        "metric": score.metric,
        "target": score.target,
        "value": score.value,
        "low": low,
        "high": high,
        "null_mean": null.mean,
        "null_low": null.low,
        "null_high": null.high,
        "null_p": null.p,
        "higher_is_better": score.higher_is_better,
        "note": score.note,
    }


def _record(score: Score) -> dict[str, Any]:
    record: dict[str, Any] = asdict(score)
    record["interval"] = None if score.interval is None else list(score.interval)
    return _finite(record)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}  # pyright: ignore
    if isinstance(value, list):
        return [_finite(item) for item in value]  # pyright: ignore
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
