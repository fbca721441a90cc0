"""Tables that were made beforehand, brought to the cases and features of the raw one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harmonize_kit.core.shown import shown
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import TableError
from harmonize_kit.flows.judged_cases import judged_cases

NAMED = 3


@dataclass(frozen=True)
class SideBySide:
    """Tables of the same cases and the same complete features.

    Parameters
    ----------
    tables : mapping of str to FeatureTable
        By candidate, the raw one first; sites and covariates of all are those of the raw one.
    left_out_cases : mapping of str to int
        Number of cases by reason.
    left_out_features : mapping of str to str
        Reason by feature.
    warnings : tuple of str
    """

    tables: Mapping[str, FeatureTable]
    left_out_cases: Mapping[str, int]
    left_out_features: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def side_by_side(
    tables: Mapping[str, FeatureTable], same: Sequence[str], split: Sequence[str] = ()
) -> SideBySide:
    """Join tables by id, and keep what all of them have.

    Every method is fitted and judged on the same cases and features, or a difference between two
    candidates could be one of what they were given.

    Parameters
    ----------
    tables : mapping of str to FeatureTable
        By candidate; the first is the raw one.
    same : sequence of str
        Columns in which the tables must agree, where they have them: site and subject.
    split : sequence of str
        As of :func:`~harmonize_kit.flows.judged_cases.judged_cases`; all tables but the first
        count as made by something that was trained.

    Raises
    ------
    TableError
        If tables share no case or no feature, disagree on the site of a case, have no complete
        feature, or leave no case to be judged.
    """
    first, *others = tables
    cases, left_out_cases = _shared_cases(tables)
    found = {name: _rows(table, cases) for name, table in tables.items()}
    for name in others:
        _require_same(found[first], found[name], name, same)
    judged = judged_cases(found, others, split)
    found = {name: _rows(table, judged.ids) for name, table in found.items()}
    features, left_out = _shared_features(found)
    covariates = found[first].covariates
    joined = {
        name: replace(table, features=table.features[features], covariates=covariates)
        for name, table in found.items()
    }
    return SideBySide(joined, {**left_out_cases, **judged.left_out}, left_out, judged.warnings)


def _shared_cases(tables: Mapping[str, FeatureTable]) -> tuple[list[str], dict[str, int]]:
    first, *others = tables
    ids = tables[first].ids
    shared = set(ids).intersection(*(tables[name].ids for name in others))
    left_out: dict[str, int] = {}
    for name in others:
        own = set(tables[name].ids)
        if not own & set(ids):
            raise TableError(
                f"'{shown(name)}' ({tables[name].source}): expected cases of {tables[first].source}"
                f", got none: its first id is '{tables[name].ids[0]}', there '{ids[0]}'; tables "
                "are joined by id, so name the right column (--id) or the right table"
            )
        for there, reason in (
            (set(ids) - own, f"absent from '{name}'"),
            (own - set(ids), f"only in '{name}'"),
        ):
            if there:
                left_out[reason] = len(there)
    if not shared:
        raise TableError(
            f"expected cases that all of {', '.join(map(shown, tables))} hold, got none, though "
            "each shares some with the first; leave one of the tables out"
        )
    return [case for case in ids if case in shared], left_out


def _rows(table: FeatureTable, ids: Sequence[str]) -> FeatureTable:
    """Return the rows of ``ids``, indexed by them as text, whatever the index was."""
    index = table.features.index.map(dict(zip(table.features.index, table.ids, strict=True)))
    texts = replace(
        table,
        features=table.features.set_axis(index, axis=0),
        covariates=table.covariates.set_axis(index, axis=0),
    )
    return texts.select(ids)


def _require_same(
    raw: FeatureTable, other: FeatureTable, name: str, columns: Sequence[str]
) -> None:
    for column in columns:
        if column not in other.covariates.columns:
            continue
        there, here = other.text(column), raw.text(column)
        differing = [case for case in raw.ids if there[case] != here[case]]
        if differing:
            case = differing[0]
            raise TableError(
                f"'{shown(name)}' ({other.source}): expected '{column}' of id '{case}' to be "
                f"'{shown(here[case])}' as in {raw.source}, got '{shown(there[case])}' "
                f"({len(differing)} cases differ); the same id must be the same case"
            )


def _shared_features(tables: Mapping[str, FeatureTable]) -> tuple[list[str], dict[str, str]]:
    """Return the features that all tables hold complete, and why others are left out."""
    left_out: dict[str, str] = {}
    names = dict.fromkeys(name for table in tables.values() for name in table.names)
    for key, table in tables.items():
        of = "" if len(tables) == 1 else f" of '{key}'"
        own = set(table.names)
        left_out |= {
            name: f"absent from '{key}'"
            for name in names
            if name not in own and name not in left_out
        }
        missing = np.isnan(table.values).sum(axis=0).tolist()
        for name, count in zip(table.names, missing, strict=True):
            if count:
                left_out.setdefault(name, f"missing in {count} cases{of}")
    kept = [name for name in next(iter(tables.values())).names if name not in left_out]
    if not kept:
        told = [f"'{shown(name)}' is {why}" for name, why in list(left_out.items())[:NAMED]]
        raise TableError(
            f"{', '.join(table.source for table in tables.values())}: expected at least one "
            f"feature that is complete in every table, got none ({'; '.join(told)}); extract all "
            "with the same settings, or leave out the cases that lack cells"
        )
    return kept, {name: left_out[name] for name in names if name in left_out}
