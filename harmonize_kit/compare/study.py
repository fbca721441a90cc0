"""The cases under comparison: their order, sites, subjects and biology, the same for everyone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.covariates import (
    Covariate,
    check_design,
    read_covariate,
)
from harmonize_kit.compare.folds import CrossValidation, absent_levels
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import DesignError


@dataclass(frozen=True)
class Study:
    """Who was measured where.

    Cases are held in the order of their ids, so that folds and draws, and with them every score,
    do not depend on how a file happened to be sorted.

    Parameters
    ----------
    ids : tuple of str
        Sorted.
    site_name : str
    sites : tuple of str
        Sorted names.
    site, subject : ndarray of int, shape (n,)
        Codes. Without a subject column every case is its own subject.
    subject_name : str, optional
    biology : tuple of Covariate
    outcome : Covariate, optional
    """

    ids: tuple[str, ...]
    site_name: str
    sites: tuple[str, ...]
    site: Ints
    subject: Ints
    subject_name: str | None = None
    biology: tuple[Covariate, ...] = ()
    outcome: Covariate | None = None

    @property
    def biology_columns(self) -> Floats:
        """The covariates as columns of a linear model, shape (n, d)."""
        return np.hstack([np.empty((len(self.ids), 0)), *(c.columns for c in self.biology)])

    @property
    def levelled(self) -> tuple[Covariate, ...]:
        """Covariates and outcome that have levels."""
        every = (*self.biology, self.outcome)
        return tuple(c for c in every if c is not None and c.levels)

    @property
    def subjects_per_site(self) -> Ints:
        """Number of subjects seen at each site, shape (n_sites,)."""
        pairs = np.unique(np.column_stack([self.site, self.subject]), axis=0)
        return np.bincount(pairs[:, 0], minlength=len(self.sites)).astype(np.intp)

    @property
    def repeated(self) -> bool:
        """Whether any subject has several cases."""
        return len(np.unique(self.subject)) < len(self.ids)


def read_study(
    table: FeatureTable,
    site: str,
    biology: Sequence[str],
    outcome: str | None,
    subject: str | None,
) -> Study:
    """Read the columns of a comparison from ``table``.

    Raises
    ------
    CovariateError
        If a column is absent, holds missing cells, or does not vary.
    DesignError
        If there is one site only, biology or outcome is the site column, or effects cannot be
        told apart.
    """
    for role, names in (("biology", biology), ("outcome", [outcome]), ("subject", [subject])):
        if site in names:
            raise DesignError(
                f"{table.source}: expected a {role} column other than the site column, got "
                f"'{site}' as both; what is to be kept and what is to be removed must differ"
            )
    ordered = _sorted_by_id(table)
    sites, site_codes = _codes(ordered, site)
    if len(sites) < 2:
        raise DesignError(
            f"{table.source}: expected at least two sites in column '{site}', got only "
            f"'{''.join(sites)}'; there is no site effect to judge"
        )
    covariates = tuple(read_covariate(ordered, name) for name in dict.fromkeys(biology))
    check_design(site_codes, covariates, site, table.source)
    known = {covariate.name: covariate for covariate in covariates}
    return Study(
        ids=tuple(ordered.ids),
        site_name=site,
        sites=sites,
        site=site_codes,
        subject=np.arange(len(ordered.ids)) if subject is None else _codes(ordered, subject)[1],
        subject_name=subject,
        biology=covariates,
        outcome=None if outcome is None else known.get(outcome) or read_covariate(ordered, outcome),
    )


def lone_levels(study: Study, split: CrossValidation | None) -> str:
    """Say which levels are not in every training set, and what to do; empty where all are."""
    if split is None:
        return ""
    found = [
        f"'{covariate.levels[level]}' of '{covariate.name}'"
        for covariate in study.levelled
        for level in absent_levels(split.folds, covariate.values[split.rows].astype(np.intp))
    ]
    found = list(dict.fromkeys(found))  # an outcome may be biology too
    if not found:
        return ""
    return (
        f"too few subjects have {', '.join(found[:5])} for it to be in every training set; leave "
        "those cases out, or give them a level that others have too"
    )


def rows_by_id(table: FeatureTable, ids: Sequence[str]) -> FeatureTable:
    """Return the rows of ``ids`` whatever type the index of the table has."""
    own = table.ids
    if own == list(ids):
        return table
    labels = dict(zip(own, table.features.index.tolist(), strict=True))
    return table.select([labels[case] for case in ids])


def _sorted_by_id(table: FeatureTable) -> FeatureTable:
    return rows_by_id(table, sorted(table.ids))


def _codes(table: FeatureTable, column: str) -> tuple[tuple[str, ...], Ints]:
    texts = table.text(column).to_numpy(dtype=str)
    names, codes = np.unique(texts, return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.intp)
