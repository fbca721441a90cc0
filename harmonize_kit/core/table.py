"""A table of features: one row a case, found by its id, with what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.cohort import check_unique_ids
from harmonize_kit.errors import CovariateError, TableError, did_you_mean

MISSING_TEXT = frozenset({"", "n/a", "N/A", "NA", "NaN", "nan"})
BLANK = frozenset({"", "n/a"})


@dataclass(frozen=True)
class FeatureTable:
    """Features and the columns that describe their cases, joined by id.

    Parameters
    ----------
    features : DataFrame, shape (n_cases, n_features), float64
        Indexed by case id (text). Finite, or NaN where a value is declared missing.
    covariates : DataFrame, shape (n_cases, n_columns)
        Passed-through columns (site, age, sex ...), same index. Text as it was read.
    made_by : mapping
        What made the table (a digest, a command, a model), for provenance.
    source : str
        Where the table came from, for messages.

    Raises
    ------
    TableError
        If ids repeat, the two frames disagree on them, or a feature is infinite.
    """

    features: pd.DataFrame
    covariates: pd.DataFrame
    made_by: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    source: str = "table"

    def __post_init__(self) -> None:
        _require_unique(self.features.index, self.source)
        if not _same_ids(self.features.index, self.covariates.index):
            raise TableError(f"{self.source}: features and covariates must list the same ids")
        values = self.values
        with np.errstate(all="ignore"):
            # One number tells for the whole: a sum is finite only where every value is.
            if np.isfinite(values.sum()):
                return
        infinite = np.isinf(values)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise TableError(
                f"{self.source}: expected finite values, got an infinite one at id "
                f"'{self.ids[row]}', column '{self.names[column]}'; correct it or leave it empty"
            )

    @property
    def values(self) -> NDArray[np.float64]:
        """The features as an array, shape (n_cases, n_features)."""
        return self.features.to_numpy(dtype=np.float64)

    @property
    def ids(self) -> list[str]:
        """Case ids in row order."""
        return list(self._texts)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        """The ids as text; made once, since every join asks for them."""
        return tuple(str(name) for name in self.features.index.tolist())

    @property
    def names(self) -> list[str]:
        """Feature names in column order."""
        return [str(name) for name in self.features.columns]

    @classmethod
    def join(
        cls, features: pd.DataFrame, covariates: pd.DataFrame, source: str = "table"
    ) -> FeatureTable:
        """Join features and covariates by their index, in the order of the features.

        Raises
        ------
        TableError
            If an id repeats in either, or a case has no covariates.
        """
        _require_unique(covariates.index, f"{source}: covariates")
        if _same_ids(features.index, covariates.index):
            return cls(features, covariates, source=source)
        absent = [str(case) for case in features.index if case not in covariates.index]
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise TableError(
                f"{source}: expected covariates for every case, got none for id '{absent[0]}'"
                f"{more}; features and covariates are joined by their index"
            )
        return cls(features, covariates.loc[features.index], source=source)

    def with_values(self, values: NDArray[np.float64], **made_by: Any) -> FeatureTable:
        """Return the same cases and columns with other values, shape (n_cases, n_features)."""
        frame = pd.DataFrame(values, index=self.features.index, columns=self.features.columns)
        return replace(self, features=frame, made_by=MappingProxyType({**self.made_by, **made_by}))

    def select(self, ids: Sequence[str]) -> FeatureTable:
        """Return the rows of ``ids``, in that order."""
        return replace(
            self, features=self.features.loc[list(ids)], covariates=self.covariates.loc[list(ids)]
        )

    def text(self, column: str) -> pd.Series[str]:
        """Return a column as text (sites, subjects, batches), refusing empty cells.

        Raises
        ------
        CovariateError
            If the column is absent, or a cell is empty or ``n/a``.
        """
        return text_column(self.covariates, column, self.source)

    def number(self, column: str) -> pd.Series[float]:
        """Return a column as float64, NaN where it is missing; see :func:`number_column`."""
        return number_column(self.covariates, column, self.source)


def _require_unique(index: pd.Index[Any], source: str) -> None:
    """Refuse ids that repeat as text; numbers counted up do not, nor do texts that differ."""
    if isinstance(index, pd.RangeIndex) or (index.inferred_type == "string" and index.is_unique):
        return
    check_unique_ids((str(name) for name in index.tolist()), source)


def _same_ids(one: pd.Index[Any], other: pd.Index[Any]) -> bool:
    return one is other or one.equals(other) or list(one) == list(other)


def require_column(frame: pd.DataFrame, column: str, source: str) -> None:
    """Raise CovariateError, suggesting the closest name, if ``frame`` lacks ``column``."""
    if column not in frame.columns:
        hint = did_you_mean(column, [str(name) for name in frame.columns])
        raise CovariateError(f"{source}: there is no column '{column}'. {hint}")


def text_column(frame: pd.DataFrame, column: str, source: str = "covariates") -> pd.Series[str]:
    """Return a column as text, so that 007 stays 007 and a site named NA stays NA.

    White space around a cell is no part of a name.

    Raises
    ------
    CovariateError
        If the column is absent, or a cell is empty or ``n/a``; ids are listed.
    """
    require_column(frame, column, source)
    texts = [
        value.strip() if type(value) is str else as_text(value).strip()
        for value in frame[column].tolist()
    ]
    if BLANK & set(texts):
        rows = zip(frame.index, texts, strict=True)
        empty = [str(name) for name, text in rows if text in BLANK]
        raise CovariateError(
            f"{source}: column '{column}' must be given for every case, got an empty cell at "
            f"{_listed(empty)}; fill it or leave these cases out"
        )
    return pd.Series(texts, index=frame.index, name=column, dtype=object)


def number_column(frame: pd.DataFrame, column: str, source: str = "covariates") -> pd.Series[float]:
    """Return a column as float64; empty cells, ``n/a`` and ``NA`` are NaN, BIDS' ``89+`` is 89.

    Raises
    ------
    CovariateError
        If the column is absent or a cell is not a number; the id is named.
    """
    require_column(frame, column, source)
    known = _as_numbers(frame[column])
    if known is not None:
        return pd.Series(known, index=frame.index, name=column)
    numbers = np.empty(len(frame))
    for row, (name, value) in enumerate(zip(frame.index, frame[column], strict=True)):
        number = parse_number(value)
        if number is None:
            comma = "; use a point as the decimal mark" if "," in as_text(value) else ""
            raise CovariateError(
                f"{source}: column '{column}' must hold numbers, got '{as_text(value)}' at id "
                f"'{name}'{comma}; declare the column categorical if it names groups"
            )
        numbers[row] = number
    return pd.Series(numbers, index=frame.index, name=column)


def is_number_column(frame: pd.DataFrame, column: str) -> bool:
    """Tell whether every cell is a number or missing, and at least one is a number."""
    known = _as_numbers(frame[column])
    if known is not None:
        return bool(np.isfinite(known).any())
    numbers = [parse_number(value) for value in frame[column]]
    return all(number is not None for number in numbers) and any(
        number is not None and np.isfinite(number) for number in numbers
    )


def _as_numbers(column: pd.Series[Any]) -> NDArray[np.float64] | None:
    """Return a column that holds numbers as it is, and None where cells must be parsed."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind not in "iuf":
        return None
    numbers = column.to_numpy(dtype=np.float64)
    return None if np.isinf(numbers).any() else numbers


def parse_number(value: object) -> float | None:
    """Return a cell as float, NaN where it is missing, None where it is no finite number."""
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, Real):
        number = float(value)
        return None if np.isinf(number) else number
    text = as_text(value).strip()
    if text in MISSING_TEXT:
        return float("nan")
    try:
        number = float(text.removesuffix("+"))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def as_text(value: object) -> str:
    """Return a cell as the text it stands for; a site stored as 3.0 is '3', a missing one is ''."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, Integral) and not isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        number = float(value)
        if np.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"id {shown}{more}"
