"""Sums of a block of features at all sites, over some of the cases; they add up to those of all.

A table that does not fit into memory is read in blocks of cases and features. Each gives the sums
of :mod:`~harmonize_kit.combat.sums`; added over cases, they are those the fit in memory works with,
so the estimates are the same to rounding, in whatever blocks and on whatever workers they were
made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.effects import BLOCK
from harmonize_kit.combat.location_scale import Sums
from harmonize_kit.combat.missing import MissingSums, as_missing, sum_present
from harmonize_kit.combat.sums import SiteSums, rows_by_site, sum_rows

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
One = TypeVar("One", SiteSums, MissingSums)

# Along which axis the features of each sum lie.
FEATURE_AXES = {
    SiteSums: {"feature_mean": 0, "cross": 1, "squares": 0},
    MissingSums: {
        "count": 0, "covariate_mean": 1, "feature_mean": 0, "gram": 0, "cross": 1, "squares": 0,
    },
}  # fmt: skip
KINDS = {"complete": SiteSums, "partial": MissingSums}
# Features whose effects are estimated at once from sums.
STEP = 1 << 14


@dataclass(frozen=True)
class BlockSums:
    """Sums of c features at k sites.

    Parameters
    ----------
    gaps : ndarray of bool, shape (c,)
        Features with a missing cell in some case so far.
    complete : tuple of (SiteSums or None), of length k
        Of the features without gaps; None at a site without cases so far.
    partial : tuple of (MissingSums or None), of length k
        Of the features with gaps.
    """

    gaps: Flags
    complete: tuple[SiteSums | None, ...]
    partial: tuple[MissingSums | None, ...]

    def __add__(self, other: BlockSums) -> BlockSums:
        """Return the sums over the cases of both, for the same features."""
        gaps = self.gaps | other.gaps
        one, two = self._with_gaps(gaps), other._with_gaps(gaps)
        return BlockSums(
            gaps,
            tuple(_added(*pair) for pair in zip(one.complete, two.complete, strict=True)),
            tuple(_added(*pair) for pair in zip(one.partial, two.partial, strict=True)),
        )

    def _with_gaps(self, gaps: Flags) -> BlockSums:
        """Return the same with more features among those that have gaps."""
        new = gaps & ~self.gaps
        if not new.any():
            return self
        moved = new[~self.gaps]
        order = np.argsort(np.concatenate([np.flatnonzero(self.gaps), np.flatnonzero(new)]))
        complete: list[SiteSums | None] = []
        partial: list[MissingSums | None] = []
        for whole, part in zip(self.complete, self.partial, strict=True):
            if whole is None or part is None:
                complete.append(None)
                partial.append(None)
                continue
            complete.append(features_of(whole, ~moved))
            joined = _joined([part, as_missing(features_of(whole, moved))])
            partial.append(features_of(joined, order))
        return BlockSums(gaps, tuple(complete), tuple(partial))

    def by_feature(self, start: int) -> Iterator[tuple[NDArray[np.int_], Sums]]:
        """Yield positions of features, counted from ``start``, and their sums at each site.

        Every site must have had a case.
        """
        for flags, sums in ((~self.gaps, self.complete), (self.gaps, self.partial)):
            columns = np.flatnonzero(flags)
            for at in range(0, len(columns), STEP):
                own = slice(at, at + STEP)
                known: list[Any] = [one for one in sums if one is not None]
                yield start + columns[own], [features_of(one, own) for one in known]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the sums as named arrays, to be kept until they are added."""
        arrays: dict[str, NDArray[Any]] = {"gaps": self.gaps, "sites": np.array(len(self.complete))}
        for kind, sums in (("complete", self.complete), ("partial", self.partial)):
            for site, one in enumerate(sums):
                if one is not None:
                    for field in fields(one):
                        name = f"{kind}_{site}_{field.name}"
                        arrays[name] = np.asarray(getattr(one, field.name))
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> BlockSums:
        """Return the sums that :meth:`to_arrays` gave."""
        found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
        for kind, make in KINDS.items():
            for site in range(int(arrays["sites"])):
                known = f"{kind}_{site}_count" in arrays
                values = {
                    field.name: arrays[f"{kind}_{site}_{field.name}"]
                    for field in fields(make)
                    if known
                }
                if known and make is SiteSums:
                    values["count"] = int(values["count"])  # pyright: ignore[reportArgumentType]
                found[kind].append(make(**values) if known else None)  # pyright: ignore
        return cls(arrays["gaps"], tuple(found["complete"]), tuple(found["partial"]))


def sum_block(
    values: NDArray[Any], codes: NDArray[np.int_], covariates: Array, n_sites: int
) -> BlockSums:
    """Return the sums of some cases and features.

    Parameters
    ----------
    values : ndarray, shape (b, c)
        float32 or float64, NaN where a cell is missing; sums are made in float64.
    codes : ndarray of int, shape (b,)
        Site of each case.
    covariates : ndarray, shape (b, q)
        Design columns.
    n_sites : int
        k; not all of them need to occur.
    """
    rows = rows_by_site(codes, n_sites)
    designs = [covariates[own] for own in rows]
    step = max(1, BLOCK // max(len(values), 1))
    parts = [
        _sum_columns(values[:, start : start + step], rows, designs)
        for start in range(0, values.shape[1], step)
    ]
    if len(parts) == 1:
        return parts[0]
    return BlockSums(
        np.concatenate([part.gaps for part in parts]),
        tuple(_joined_or_none([part.complete[site] for part in parts]) for site in range(n_sites)),
        tuple(_joined_or_none([part.partial[site] for part in parts]) for site in range(n_sites)),
    )


def _sum_columns(
    values: NDArray[Any], rows: Sequence[NDArray[np.int_]], designs: Sequence[Array]
) -> BlockSums:
    gaps = np.asarray(np.isnan(values).any(axis=0))
    complete: list[SiteSums | None] = []
    partial: list[MissingSums | None] = []
    for own, design in zip(rows, designs, strict=True):
        if not len(own):
            complete.append(None)
            partial.append(None)
            continue
        # A copy, which the sums are made in.
        cells = values[own].astype(np.float64, copy=False)
        if gaps.any():
            partial.append(sum_present(design, cells[:, gaps]))
            complete.append(sum_rows(design, cells[:, ~gaps]))
        else:
            partial.append(_of_nothing(design.shape[1]))
            complete.append(sum_rows(design, cells))
    return BlockSums(gaps, tuple(complete), tuple(partial))


def _of_nothing(q: int) -> MissingSums:
    """Return sums of no feature."""
    none = np.zeros(0)
    return MissingSums(none, np.zeros((q, 0)), none, np.zeros((0, q, q)), np.zeros((q, 0)), none)


def features_of(sums: One, chosen: slice | NDArray[Any]) -> One:
    """Return the sums of some of the features."""
    axes = FEATURE_AXES[type(sums)]
    values: dict[str, Any] = {}
    for field in fields(sums):
        value = getattr(sums, field.name)
        if field.name in axes:
            value = value[:, chosen] if axes[field.name] else value[chosen]
        values[field.name] = value
    return type(sums)(**values)


def _joined(sums: Sequence[One]) -> One:
    """Return the sums of the features of all, which are over the same cases."""
    axes = FEATURE_AXES[type(sums[0])]
    values: dict[str, Any] = {}
    for field in fields(sums[0]):
        parts = [getattr(one, field.name) for one in sums]
        together = field.name in axes
        values[field.name] = np.concatenate(parts, axes[field.name]) if together else parts[0]
    return type(sums[0])(**values)


def _joined_or_none(sums: Sequence[One | None]) -> One | None:
    known = [one for one in sums if one is not None]
    return _joined(known) if known else None


def _added(one: One | None, two: One | None) -> One | None:
    if one is None or two is None:
        return one if two is None else two
    return one + two
