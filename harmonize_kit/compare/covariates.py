"""Biology covariates and outcomes as columns of a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, indicators, orthonormal, positions
from harmonize_kit.core.table import FeatureTable, is_number_column, require_column
from harmonize_kit.errors import CovariateError, DesignError


@dataclass(frozen=True)
class Covariate:
    """One column of biology, coded.

    Parameters
    ----------
    name : str
    kind : {"numeric", "binary", "categorical"}
        Numeric where every cell is a number and more than two occur; a column of two values is
        binary whatever it is written in, one of several texts is categorical.
    values : ndarray, shape (n,)
        The numbers, or the position of each case's level in ``levels``.
    columns : ndarray, shape (n, 1) or (n, n_levels - 1)
        What enters the linear model: the standardised numbers, or an indicator of every level
        but the first.
    levels : tuple of str
        In ascending order; empty for a numeric covariate.
    """

    name: str
    kind: Literal["numeric", "binary", "categorical"]
    values: Floats
    columns: Floats
    levels: tuple[str, ...] = ()

    def targets(self) -> Floats:
        """Return what a prediction aims at: the numbers, or indicators, shape (n, n_targets).

        One indicator, of the second level, stands for a binary covariate.
        """
        return self.encode(self.values)[:, 0, :]

    def encode(self, values: Floats) -> Floats:
        """Return ``values``, shape (n,) or (n, b), as targets of shape (n, b, n_targets)."""
        table = values[:, None] if values.ndim == 1 else values
        if self.kind == "numeric":
            return table[:, :, None]
        coded = (
            np.arange(len(self.levels))[1:] if self.kind == "binary" else range(len(self.levels))
        )
        return (table[:, :, None] == np.asarray(coded)).astype(np.float64)

    def describe(self) -> dict[str, Any]:
        """Return name, kind, and levels or range, as plain objects."""
        extent: dict[str, Any] = (
            {"range": [float(self.values.min()), float(self.values.max())]}
            if self.kind == "numeric"
            else {"levels": list(self.levels)}
        )
        return {"name": self.name, "kind": self.kind, **extent}


def read_covariate(table: FeatureTable, name: str) -> Covariate:
    """Read one column of ``table`` as a covariate.

    Raises
    ------
    CovariateError
        If the column is absent, a cell is missing (ids are named), or only one value occurs.
    """
    require_column(table.covariates, name, table.source)
    numeric = is_number_column(table.covariates, name)
    if numeric:
        numbers = np.asarray(table.number(name), dtype=np.float64)
        missing = [table.ids[row] for row in positions(np.isnan(numbers))]
        if missing:
            raise CovariateError(
                f"{table.source}: column '{name}' must be given for every case that is compared, "
                f"got a missing value at id {', '.join(repr(case) for case in missing[:5])}"
                f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}; fill it, leave "
                "these cases out, or leave the column out of the comparison"
            )
        if len(np.unique(numbers)) > 2:
            scaled = (numbers - numbers.mean()) / numbers.std()
            return Covariate(name, "numeric", numbers, scaled[:, None])
    texts = [str(text) for text in table.text(name)]
    levels = sorted(
        set(texts), key=(lambda text: float(text.removesuffix("+"))) if numeric else str
    )
    if len(levels) < 2:
        raise CovariateError(
            f"{table.source}: column '{name}' must vary to be compared with features, got "
            f"'{levels[0]}' in every case; leave it out of the comparison"
        )
    codes = np.asarray([levels.index(text) for text in texts], dtype=np.intp)
    return Covariate(
        name,
        "binary" if len(levels) == 2 else "categorical",
        codes.astype(np.float64),
        indicators(codes, len(levels))[:, 1:],
        tuple(levels),
    )


def share_between_sites(covariate: Covariate, site: Ints) -> float:
    """Return the share of the covariate's variance that lies between sites, in [0, 1].

    Epsilon squared (Kelley 1935): eta squared less what the mere number of sites explains. For
    levels, the sums of squares of all indicators are pooled.
    """
    targets = covariate.targets()
    centred = targets - targets.mean(axis=0)
    groups = indicators(site, int(site.max()) + 1)
    groups = groups[:, groups.any(axis=0)]
    n, k = groups.shape
    means = groups.T @ centred / groups.sum(axis=0)[:, None]
    total = float(np.sum(centred**2))
    between = float(np.sum(groups.sum(axis=0)[:, None] * means**2))
    return float(np.clip(1 - (total - between) / total * (n - 1) / (n - k), 0, 1))


def check_design(site: Ints, covariates: Sequence[Covariate], site_name: str, source: str) -> None:
    """Refuse a design whose effects cannot be estimated or told apart.

    Raises
    ------
    DesignError
        If a covariate follows from site and the covariates before it, or if there are no more
        cases than parameters.
    """
    columns = indicators(site, int(site.max()) + 1)
    parameters = columns.shape[1] + sum(covariate.columns.shape[1] for covariate in covariates)
    if len(site) <= parameters:
        raise DesignError(
            f"{source}: expected more cases than parameters of site and biology, got {len(site)} "
            f"cases and {parameters} parameters; name fewer covariates or add cases"
        )
    for position, covariate in enumerate(covariates):
        widened = np.hstack([columns, covariate.columns])
        if orthonormal(widened).shape[1] < widened.shape[1]:
            earlier = ", ".join(f"'{before.name}'" for before in covariates[:position])
            raise DesignError(
                f"{source}: expected biology that varies within sites, but column "
                f"'{covariate.name}' is determined by site column '{site_name}'"
                f"{f' together with {earlier}' if earlier else ''}; their effects cannot be told "
                "apart, so leave it out of the comparison"
            )
        columns = widened
