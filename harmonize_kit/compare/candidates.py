"""What is judged: tables as they are, harmonizers refitted wherever a fold demands it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from harmonize_kit.compare.arrays import Flags, Floats, constant_columns, positions
from harmonize_kit.compare.folds import CrossValidation, Fold
from harmonize_kit.compare.standardised import Standardised, standardise
from harmonize_kit.compare.study import rows_by_id
from harmonize_kit.core.harmonizer import FittedHarmonizer, Harmonizer
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeError, HarmonizeWarning, TableError

# A table as it is, a harmonizer refitted on the raw table, or one refitted on a table of its own.
Judged = FeatureTable | Harmonizer | tuple[FeatureTable, Harmonizer]


@dataclass(frozen=True)
class Refit:
    """The cross-validated cases as one fold sees them.

    Parameters
    ----------
    table : Standardised
        In units of the fold's training cases.
    fitted : FittedHarmonizer, optional
        What made them, of the fold's training cases alone; None for a table.
    """

    table: Standardised
    fitted: FittedHarmonizer | None = None


@dataclass(frozen=True)
class Candidate:
    """A feature table, or a harmonizer and the raw table it is refitted on.

    Parameters
    ----------
    name : str
    table : FeatureTable
        The table itself as it is judged, or the table the harmonizer is refitted on.
    harmonizer : Harmonizer, optional
    whole : ndarray, shape (n, p)
        The features judged, cases sorted by id; a harmonizer's are those of its fit to the whole
        table.
    on_raw : bool
        Whether a harmonizer is refitted on the raw table, and not on one of its own.
    """

    name: str
    table: FeatureTable
    harmonizer: Harmonizer | None
    whole: Floats
    on_raw: bool = True

    @cached_property
    def constant(self) -> Flags:
        """Which features this candidate leaves without any variation, shape (p,)."""
        return constant_columns(self.whole)

    def by_fold(
        self,
        split: CrossValidation | None,
        ids: Sequence[str],
        names: Sequence[str],
        hint: str = "",
    ) -> list[Refit]:
        """Return the cross-validated cases as each fold sees them; none without folds.

        A table is the same in every fold. A harmonizer is fitted on the fold's training cases
        alone and applied to all: held-out cases must not enter the fit, or their noise is removed
        along with the site effect and the classifier meets cases that lean away from their own
        site (Marzi et al. 2024, Scientific Data 11:115). An error of a refit is told with ``hint``.

        Raises
        ------
        TableError
            If a refitted harmonizer returns other cases or columns, or missing values.
        """
        if split is None:
            return []
        if self.harmonizer is None:
            values = self.whole[split.rows]
            return [Refit(standardise(values, fold)) for fold in split.folds]
        kept = rows_by_id(self.table, [ids[int(row)] for row in split.rows])
        try:
            return [
                self._refit(
                    self.harmonizer, kept, fold, names, f"fold {number} of {len(split.folds)}"
                )
                for number, fold in enumerate(split.folds, start=1)
            ]
        except HarmonizeError as error:
            if hint:
                error.add_note(hint)
            raise

    def _refit(
        self,
        harmonizer: Harmonizer,
        table: FeatureTable,
        fold: Fold,
        names: Sequence[str],
        where: str,
    ) -> Refit:
        ids = table.ids
        training = rows_by_id(table, [ids[int(row)] for row in fold.train])
        try:
            # What a fit on all cases warns of is told once; that a fold is smaller is known.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HarmonizeWarning)
                fitted = harmonizer.fit(training)
                applied = fitted.apply(table)
        except HarmonizeError as error:
            error.add_note(f"while refitting candidate '{self.name}' for {where}")
            raise
        values = _columns(applied, table.ids, names, self.name)
        missing = np.argwhere(np.isnan(values))
        if missing.size:
            row, column = missing[0]
            raise TableError(
                f"candidate '{self.name}': expected complete features from the refit for {where}, "
                f"got a missing value at id '{table.ids[row]}', column '{names[column]}'; leave "
                "the feature out of the tables"
            )
        return Refit(standardise(values, fold), fitted)


def refitted(candidate: Candidate, table: FeatureTable, names: Sequence[str]) -> Floats:
    """Fit a candidate's harmonizer to ``table`` and return it applied there, shape (n, p).

    Raises
    ------
    TableError
        If the candidate is no harmonizer, or other cases or columns or missing values come back.
    """
    if candidate.harmonizer is None:
        raise TableError(f"candidate '{candidate.name}': expected a harmonizer, got a table")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HarmonizeWarning)
        applied = candidate.harmonizer.fit(table).apply(table)
    values = _columns(applied, table.ids, names, candidate.name)
    if np.isnan(values).any():
        raise TableError(
            f"candidate '{candidate.name}': expected complete features from a refit, got a "
            "missing value; leave incomplete features out of the tables"
        )
    return values


@dataclass(frozen=True)
class Candidates:
    """All candidates, brought to the same cases and features.

    Parameters
    ----------
    members : tuple of Candidate
        In the order they were given.
    names : tuple of str
        Features judged, sorted.
    order : tuple of str
        The same features in the order of the first candidate.
    left_out : mapping of str to str
        Features not judged, and why.
    """

    members: tuple[Candidate, ...]
    names: tuple[str, ...]
    order: tuple[str, ...]
    left_out: Mapping[str, str]


def covariate_source(candidates: Mapping[str, Judged], table: FeatureTable | None) -> FeatureTable:
    """Return the table that covariates are read from: the raw one, or the first candidate's.

    Raises
    ------
    TableError
        If there is no candidate, or a harmonizer comes without the raw table it is refitted on.
    """
    if not candidates:
        raise TableError("compare: expected at least one candidate, got none")
    if table is not None:
        return table
    for name, candidate in candidates.items():
        if not isinstance(candidate, (FeatureTable, tuple)):
            raise TableError(
                f"candidate '{name}': expected a FeatureTable, or table= beside a harmonizer, got "
                f"a {type(candidate).__name__} alone; pass the raw features as table=, since a "
                "harmonizer is refitted on them in every fold"
            )
    first = next(item for item in candidates.values() if isinstance(item, (FeatureTable, tuple)))
    return first[0] if isinstance(first, tuple) else first


def gather(candidates: Mapping[str, Judged], raw: FeatureTable, ids: Sequence[str]) -> Candidates:
    """Bring candidates to the cases ``ids`` and to the features they share.

    Raises
    ------
    TableError
        If a candidate has other cases than ``raw``, or no feature is left.
    """
    parts = {name: _parts(item, raw, ids, name) for name, item in candidates.items()}
    produced = {
        name: _checked(table, ids, name)
        if harmonizer is None
        else _fitted(harmonizer, table, ids, name)
        for name, (table, harmonizer) in parts.items()
    }
    shared, left_out = _shared(produced)
    values = {name: _columns(table, ids, shared, name) for name, table in produced.items()}
    left_out |= _unusable(values, shared)
    order = tuple(name for name in shared if name not in left_out)
    if not order:
        reasons = "; ".join(f"'{name}' {why}" for name, why in list(left_out.items())[:3])
        raise TableError(
            "compare: expected at least one feature that all candidates hold complete and one "
            f"varies, got none ({reasons or 'the tables have no features'})"
        )
    names = tuple(sorted(order))
    place = {name: column for column, name in enumerate(shared)}
    columns = [place[name] for name in names]
    members = tuple(
        Candidate(
            name, table, harmonizer, values[name][:, columns],
            on_raw=not isinstance(candidates[name], tuple),
        )
        for name, (table, harmonizer) in parts.items()
    )  # fmt: skip
    return Candidates(members, names, order, left_out)


def _parts(
    item: Judged, raw: FeatureTable, ids: Sequence[str], name: str
) -> tuple[FeatureTable, Harmonizer | None]:
    """Return the table a candidate is made of, and its harmonizer.

    A table of a harmonizer's own brings features alone: sites and covariates are those of the raw
    one, so that every method is told the same of every case.
    """
    if isinstance(item, FeatureTable):
        return item, None
    if not isinstance(item, tuple):
        return raw, item
    table, harmonizer = item
    features = rows_by_id(_checked(table, ids, name), ids).features
    covariates = rows_by_id(raw, ids).covariates.set_axis(features.index, axis=0)
    return replace(table, features=features, covariates=covariates), harmonizer


def _shared(tables: Mapping[str, FeatureTable]) -> tuple[list[str], dict[str, str]]:
    """Return the features all tables have, in the order of the first, and why others are not."""
    present = {name: set(table.names) for name, table in tables.items()}
    left_out: dict[str, str] = {}
    for feature in dict.fromkeys(name for table in tables.values() for name in table.names):
        absent = [name for name in tables if feature not in present[name]]
        if absent:
            left_out[feature] = f"absent from '{absent[0]}'"
    first = next(iter(tables.values()))
    return [name for name in first.names if name not in left_out], left_out


def _unusable(values: Mapping[str, Floats], names: Sequence[str]) -> dict[str, str]:
    """Return the features no judgement can rest on, and why.

    A feature that one candidate alone holds constant stays: that it was destroyed is a finding
    about that candidate and no reason to spare it.
    """
    reasons: dict[str, str] = {}
    for name, table in values.items():
        missing = np.isnan(table).sum(axis=0)
        for column in positions(missing):
            reasons.setdefault(names[column], f"missing in {missing[column]} cases of '{name}'")
    constant = np.all([constant_columns(np.nan_to_num(table)) for table in values.values()], axis=0)
    for column in positions(constant):
        reasons.setdefault(names[column], "constant")
    return reasons


def _checked(table: FeatureTable, ids: Sequence[str], name: str) -> FeatureTable:
    """Return ``table`` if it holds the cases ``ids``, in any order."""
    others = sorted(set(table.ids) ^ set(ids))
    if others:
        where = "only there" if others[0] in set(table.ids) else "absent there"
        raise TableError(
            f"candidate '{name}': expected the same cases in every table, got id '{others[0]}' "
            f"{where} ({len(others)} ids differ); keep the cases all tables share"
        )
    return table


def _fitted(
    harmonizer: Harmonizer, raw: FeatureTable, ids: Sequence[str], name: str
) -> FeatureTable:
    """Return the raw table harmonized by a fit to all its cases."""
    if not callable(getattr(harmonizer, "fit", None)):
        raise TableError(
            f"candidate '{name}': expected a FeatureTable or a harmonizer, got a "
            f"{type(harmonizer).__name__}; FeatureTable.join(features, covariates) makes a table"
        )
    table = rows_by_id(raw, ids)
    try:
        return _checked(harmonizer.fit(table).apply(table), ids, name)
    except HarmonizeError as error:
        error.add_note(f"while fitting candidate '{name}' to the whole table")
        raise


def _columns(
    table: FeatureTable, ids: Sequence[str], names: Sequence[str], candidate: str
) -> Floats:
    """Return cases and features in the order asked for, shape (n, p)."""
    aligned = rows_by_id(_checked(table, ids, candidate), ids)
    place = {name: column for column, name in enumerate(aligned.names)}
    absent = [name for name in names if name not in place]
    if absent:
        raise TableError(
            f"candidate '{candidate}': expected the columns it was given, got none named "
            f"'{absent[0]}'"
        )
    return aligned.values[:, [place[name] for name in names]]
