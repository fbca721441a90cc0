"""Whether sums over the cases of a site would tell of a single one of them.

Means and products of a site say nothing of one case as long as many cases stand behind each. Three
rules, as in the control of statistical output by research data centres, keep it so:

- *cells*: a level of a covariate, and whatever two terms of the design single out together, is
  found in no case of the site or in several. A mean over one woman is that woman; the sum of a
  product of two columns that only she has in common is her covariate.
- *freedom*: several more cases than columns, or what the columns leave of a feature is known.
- *leverage*: no case determines a direction of the design alone, for then the products of that
  direction and the features are that case's features.

A smooth covariate is cut at its knots: a spline column is zero but in a few intervals, so an
interval with one case gives that case's covariate away.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_values import CovariateValues
from harmonize_kit.combat.location_scale import CONSTANT_SD
from harmonize_kit.combat.spline_basis import SmoothTerm
from harmonize_kit.errors import DesignError

Array = NDArray[np.float64]

LARGEST_LEVERAGE = 0.9
# A feature of which one case holds so much of the sum of squares is that case.
LARGEST_SHARE = 0.99
RANK_TOLERANCE = 1e-8
BLOCK = 1 << 21
AGREE_ANEW = (
    "agree on a plan with fewer covariates, levels or knots, pool sites, or leave these cases out"
)


@dataclass(frozen=True)
class Cells:
    """How a covariate divides cases.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        -1 where a case belongs to no cell.
    labels : sequence of str
    """

    codes: NDArray[np.int_]
    labels: Sequence[str]


def require_no_disclosure(
    columns: Array,
    terms: Sequence[Sequence[str]],
    values: CovariateValues,
    smooths: Sequence[SmoothTerm],
    minimum: int,
    where: str,
) -> None:
    """Refuse a site whose sums would tell of a few of its cases.

    Parameters
    ----------
    columns : ndarray, shape (n, q)
        Design columns of the site's cases.
    terms : sequence of sequence of str
        Covariates of each term of the formula.
    values : CovariateValues
        Of the n cases.
    smooths : sequence of SmoothTerm
    minimum : int
        Fewest cases behind a sum.
    where : str
        Names table and site, for the message.

    Raises
    ------
    DesignError
        If the site, a cell of it, or what is left over is too small, or a case stands alone.
    """
    n = len(columns)
    if n < minimum:
        raise DesignError(
            f"{where} has {n} cases, expected at least {minimum}: sums over so few would tell of "
            "each of them; pool the site with a like scanner, or leave it out"
        )
    leverage, rank = leverages(columns)
    if n - rank < minimum:
        raise DesignError(
            f"{where} has {n} cases for {rank} covariate columns that vary in it, expected at "
            f"least {rank + minimum}: sums of so few would give the cases away; {AGREE_ANEW}"
        )
    cells = covariate_cells(values, terms, smooths, minimum)
    groups = [*terms, *((f"s({term.name})",) for term in smooths)]
    for one, other in itertools.combinations_with_replacement(groups, 2):
        together = [name for name in dict.fromkeys((*one, *other)) if name in cells]
        _require_full_cells([cells[name] for name in together], minimum, where)
    alone = int((leverage > LARGEST_LEVERAGE).sum())
    if alone:
        raise DesignError(
            f"{where}: {alone} cases lie so far from the others in their covariates that the sums "
            f"would tell of them alone (leverage {leverage.max():.2f}, expected at most "
            f"{LARGEST_LEVERAGE}); {AGREE_ANEW}"
        )


def covariate_cells(
    values: CovariateValues,
    terms: Sequence[Sequence[str]],
    smooths: Sequence[SmoothTerm],
    minimum: int,
) -> dict[str, Cells]:
    """Return how each covariate divides the cases; smooth ones, as ``s(name)``, by their knots.

    A covariate that takes few values is divided by them: count, sum and sum of squares tell how
    many cases have each of three values, and sums of higher powers, as ``age + I(age**2)`` has
    them, of two more for each term. Where many cases share one value, the others are a cell: taking
    that value off leaves sums over them alone.
    """
    cells = {
        name: Cells(
            np.asarray(known.codes, dtype=np.int_),
            [f"{name} {level}" for level in known.categories],
        )
        for name, known in values.levels.items()
    }
    for name, own in values.numbers.items():
        distinct, codes, counts = np.unique(own, return_inverse=True, return_counts=True)
        if len(distinct) <= 1 + 2 * sum(name in term for term in terms):
            labels = [f"{name} {value:g}" for value in distinct]
            cells[name] = Cells(codes.reshape(-1).astype(np.int_), labels)
        elif counts.max() >= minimum:
            most = distinct[counts.argmax()]
            cells[name] = Cells(np.where(own == most, -1, 0), [f"{name} other than {most:g}"])
    for term in smooths:
        share = term.share(values.numbers[term.name])
        ends = term.lower + (term.upper - term.lower) * np.concatenate([[0.0], term.knots, [1.0]])
        labels = [f"{term.name} {low:g} to {high:g}" for low, high in itertools.pairwise(ends)]
        codes = np.searchsorted(term.knots, share, side="right")
        cells[f"s({term.name})"] = Cells(codes.astype(np.int_), labels)
    return cells


def _require_full_cells(cells: Sequence[Cells], minimum: int, where: str) -> None:
    if not cells:
        return
    codes = np.column_stack([one.codes for one in cells])
    found, counts = np.unique(codes[(codes >= 0).all(axis=1)], axis=0, return_counts=True)
    small = np.flatnonzero(counts < minimum)
    if len(small):
        first: list[int] = found[small[0]].tolist()
        told = ", ".join(one.labels[code] for one, code in zip(cells, first, strict=True))
        raise DesignError(
            f"{where}: {counts[small[0]]} cases are {told}, expected none or at least {minimum}: "
            f"sums over so few would tell of each of them; {AGREE_ANEW}"
        )


def leverages(columns: Array) -> tuple[Array, int]:
    """Return the leverage of each case, shape (n,), and the rank of the centred columns."""
    n = len(columns)
    centred = columns - columns.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    rounding = RANK_TOLERANCE * np.sqrt(n) * np.abs(columns).max(axis=0, initial=0.0)
    varying = length > rounding
    if not varying.any():
        return np.full(n, 1 / n), 0
    left, strength, _ = np.linalg.svd(centred[:, varying] / length[varying], full_matrices=False)
    kept = strength > RANK_TOLERANCE * strength[0]
    return 1 / n + (left[:, kept] ** 2).sum(axis=1), int(kept.sum())


def withheld_features(features: Array, minimum: int) -> NDArray[np.bool_]:
    """Tell which features of one site, (n, p), are not to be summed, shape (p,).

    Those that all its cases share one value of, those that vary in a few of its cases only, and
    those of which one case makes up the sum of squares: their sums would be somebody's value.
    """
    n, p = features.shape
    flags = np.zeros(p, dtype=np.bool_)
    step = max(1, BLOCK // n)
    for start in range(0, p, step):
        own = features[:, start : start + step]
        ordered = np.sort(own, axis=0)
        run = np.ones(own.shape[1], dtype=np.int_)
        longest = run.copy()
        for below, above in itertools.pairwise(ordered):
            same = above - below <= CONSTANT_SD * np.abs(above)
            run = np.where(same, run + 1, 1)
            np.maximum(longest, run, out=longest)
        squares = (own - own.mean(axis=0)) ** 2
        alone = squares.max(axis=0) > LARGEST_SHARE * (n - 1) / n * squares.sum(axis=0)
        flags[start : start + step] = ((longest > 1) & (n - longest < minimum)) | alone
    return flags


def site_values(values: CovariateValues, rows: NDArray[np.int_]) -> CovariateValues:
    """Return the covariates of some of the cases."""
    numbers: Mapping[str, Array] = {name: own[rows] for name, own in values.numbers.items()}
    return CovariateValues(
        len(rows), numbers, {name: known[rows] for name, known in values.levels.items()}
    )
