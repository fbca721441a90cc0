"""What a site sends: sums over its cases, of which none tells of one of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.agreed_design import AgreedCovariates, plain_columns
from harmonize_kit.combat.disclosure import (
    require_no_disclosure,
    site_values,
    withheld_features,
)
from harmonize_kit.combat.formula import term_columns
from harmonize_kit.combat.sums import SiteSums, sum_rows
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.core.digest import digest_arrays
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import HarmonizeWarning, TableError

SUMS = ("covariate_mean", "feature_mean", "gram", "cross", "squares")


@dataclass(frozen=True)
class Summary:
    """Sums of one or several sites, made of columns that all sites agreed on.

    Parameters
    ----------
    plan : FederationPlan
    columns : tuple of str
        Names of the q design columns, which are neither centred nor scaled.
    features : tuple of str
        Names of the p features.
    sums : mapping of str to SiteSums
        By site. A feature that is withheld has zeros: as one that does not vary there.
    """

    plan: FederationPlan
    columns: tuple[str, ...]
    features: tuple[str, ...]
    sums: Mapping[str, SiteSums]

    def of(self, features: tuple[str, ...]) -> Summary:
        """Return the same for features in another order."""
        if features == self.features:
            return self
        place = {name: at for at, name in enumerate(self.features)}
        order = np.array([place[name] for name in features], dtype=np.intp)
        sums = {
            site: replace(
                own,
                feature_mean=own.feature_mean[order],
                cross=own.cross[:, order],
                squares=own.squares[order],
            )
            for site, own in self.sums.items()
        }
        return replace(self, features=features, sums=sums)


def summarize(plan: FederationPlan, table: FeatureTable, minimum: int | None = None) -> Summary:
    """Return the sums of each site of ``table``.

    Parameters
    ----------
    plan : FederationPlan
    table : FeatureTable
        Cases of one or several sites.
    minimum : int, optional
        Fewest cases behind a sum, where this site wants more of them than the plan asks for.

    Raises
    ------
    DesignError
        If the sums would tell of single cases; see :func:`require_no_disclosure`.
    ConfigError, CovariateError
        If the plan does not hold together, or a covariate is not as was agreed.
    TableError
        If a cell is missing.
    """
    source = table.source
    fewest = max(plan.minimum_cases, minimum or 0)
    _require_complete(table)
    agreed = AgreedCovariates.of(plan)
    parsed, values = agreed.formula(plan), agreed.read(table.covariates, source)
    smooths = agreed.smooth_terms(plan.smooth)
    columns, names = plain_columns(parsed, smooths, values)
    named = text_column(table.covariates, plan.site, source).to_numpy()
    terms, features = term_columns(parsed), table.values
    sums: dict[str, SiteSums] = {}
    withheld = np.zeros(features.shape[1], dtype=np.bool_)
    for site in sorted(set(named.tolist())):
        rows = np.flatnonzero(named == site)
        own = columns[rows]
        require_no_disclosure(
            own, terms, site_values(values, rows), smooths, fewest, f"{source}: site '{site}'"
        )
        cells = features[rows]
        flags = withheld_features(cells, fewest)
        cells[:, flags] = 0.0
        withheld |= flags
        sums[site] = sum_rows(own, cells)
    _tell_withheld(table, withheld, fewest)
    return Summary(plan, names, tuple(table.names), sums)


def digest_sums(sums: SiteSums) -> str:
    """Return a digest that names the sums of a site."""
    arrays = {name: np.asarray(getattr(sums, name), dtype=np.float64) for name in SUMS}
    return digest_arrays(arrays | {"count": np.array([sums.count], dtype=np.int64)})


def _require_complete(table: FeatureTable) -> None:
    """Refuse missing cells: sums over other cases would give the cases that differ away.

    Means of a covariate over the cases that have one feature, and over those that have another,
    differ by the cases that have only one of them.
    """
    missing = np.argwhere(np.isnan(table.values))
    if missing.size:
        row, column = missing[0]
        raise TableError(
            f"{table.source}: expected every feature of every case, got {len(missing)} missing "
            f"cells, the first at id '{table.ids[row]}', column '{table.names[column]}': sums over "
            "different cases would give away where they differ; fill them in, or leave these cases "
            "or features out"
        )


def _tell_withheld(table: FeatureTable, withheld: NDArray[np.bool_], minimum: int) -> None:
    if withheld.any():
        names = [name for name, flag in zip(table.names, withheld.tolist(), strict=True) if flag]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        warnings.warn(
            f"{table.source}: {len(names)} features do not vary at some site, or in fewer than "
            f"{minimum} of its cases, or in one of them by far the most; nothing of them is sent, "
            f"and they will be passed through unchanged: {', '.join(names[:5])}{more}",
            HarmonizeWarning,
            stacklevel=3,
        )
