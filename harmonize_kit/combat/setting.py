"""The cases of a fit as numbers, judged before anything is estimated."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.agreed_design import AgreedCovariates, learn_agreed
from harmonize_kit.combat.confounding import require_estimable
from harmonize_kit.combat.design import CovariateDesign, learn_values
from harmonize_kit.combat.overlap import poor_overlap
from harmonize_kit.combat.sums import rows_by_site
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import DesignError, HarmonizeWarning, did_you_mean

SMALL_SITE = 5
SHOWN = 5


@dataclass(frozen=True)
class Setting:
    """Sites and covariates of n cases.

    Parameters
    ----------
    sites : tuple of str
        Names of the k sites, sorted.
    codes : ndarray of int, shape (n,)
        Position of each case's site in ``sites``.
    sizes : ndarray of int, shape (k,)
        Cases of each site.
    rows : sequence of ndarray of int
        Rows of each site.
    design : CovariateDesign
    covariates : ndarray, shape (n, q)
        Design columns.
    reference : int, optional
        Position of the reference site.
    mean_only : ndarray of bool, shape (k,)
        Sites whose variance is left alone: all, or those of one case.
    """

    sites: tuple[str, ...]
    codes: NDArray[np.int_]
    sizes: NDArray[np.int_]
    rows: Sequence[NDArray[np.int_]]
    design: CovariateDesign
    covariates: NDArray[np.float64]
    reference: int | None
    mean_only: NDArray[np.bool_]


def read_setting(
    config: ComBatConfig, table: FeatureTable, agreed: AgreedCovariates | None = None
) -> Setting:
    """Read sites and covariates of ``table`` and prove that their effects can be told apart.

    Where ranges, levels and knots were ``agreed`` on, they are taken as they are, not learned.

    Raises
    ------
    DesignError
        If there is one site only, the reference is no site, a site of one case would not be
        shrunken, a covariate cannot be told from the site, or there are too few cases.
    CovariateError
        If site or covariates are absent or missing for some case.
    """
    source = table.source
    named: list[str] = text_column(table.covariates, config.site, source).tolist()
    sites = tuple(sorted(set(named)))
    position = {name: code for code, name in enumerate(sites)}
    codes = np.array([position[name] for name in named], dtype=np.int_)
    sizes = np.bincount(codes, minlength=len(sites))
    _require_sites(config, sites, sizes, source)
    if agreed is None:
        design, values = learn_values(
            table.covariates,
            config.preserve,
            config.categorical,
            source,
            _smooth_order(config, table),
            distinct_knots=config.smoothing != "neuroharmonize",
        )
    else:
        design, values = learn_agreed(config, agreed, table.covariates, source)
    covariates = design.columns(values, source)
    names, straight = design.unpenalised(values, covariates)
    require_estimable(codes, names, straight, config.site)
    told = poor_overlap(sites, codes, values)
    if told:
        _warn(f"{source}: covariates hardly overlap between sites: {_listed(told, '; ')}")
    tell_small_sites(config, sites, sizes, source)
    reference = None if config.reference is None else sites.index(config.reference)
    mean_only = (sizes == 1) | config.mean_only
    rows = rows_by_site(codes, len(sites))
    return Setting(sites, codes, sizes, rows, design, covariates, reference, mean_only)


def _smooth_order(config: ComBatConfig, table: FeatureTable) -> tuple[str, ...]:
    """Return the smooth covariates; in the order of the table's columns for neuroHarmonize.

    That is how neuroHarmonize takes them, whatever order they are asked for in.
    """
    if config.smoothing != "neuroharmonize":
        return config.smooth
    held = [str(name) for name in table.covariates.columns]
    return tuple(sorted(config.smooth, key=lambda name: held.index(name) if name in held else -1))


def tell_passed_through(
    source: str, names: Sequence[str], constant: NDArray[np.bool_], sparse: NDArray[np.bool_]
) -> None:
    """Warn of the features that are returned as they came, and say why."""
    for flags, why in (
        (constant, "do not vary in some site"),
        (sparse, "have too few values in some site"),
    ):
        if not flags.any():
            continue
        told = [name for name, flag in zip(names, flags.tolist(), strict=True) if flag]
        _warn(
            f"{source}: {len(told)} features {why} and are passed through unchanged: "
            f"{_listed(told)}"
        )


def _require_sites(
    config: ComBatConfig, sites: Sequence[str], sizes: NDArray[np.int_], source: str
) -> None:
    if len(sites) < 2:
        raise DesignError(
            f"{source}: expected at least two sites in column '{config.site}', got only "
            f"'{sites[0]}'; there is no site effect to remove"
        )
    if config.reference is not None and config.reference not in sites:
        raise DesignError(
            f"{source}: reference '{config.reference}' is not a site in column '{config.site}'. "
            f"{did_you_mean(config.reference, sites)}"
        )
    single = _require_shrunken(config, sites, sizes, source)
    if config.reference in single and not config.mean_only:
        raise DesignError(
            f"{source}: reference '{config.reference}' has one case, which has no variance to "
            "bring the other sites to; choose another, or correct means only (--mean-only)"
        )


def _require_shrunken(
    config: ComBatConfig, sites: Sequence[str], sizes: NDArray[np.int_], source: str
) -> list[str]:
    """Return the sites of one case, which need shrinkage."""
    single = [name for name, count in zip(sites, sizes, strict=True) if count == 1]
    if single and not config.empirical_bayes:
        raise DesignError(
            f"{source}: got one case at {_listed([repr(name) for name in single])}; without "
            "empirical Bayes it would be moved onto the mean, and nothing of it be left. Leave the "
            "site out, pool it with a like scanner, or shrink"
        )
    return single


def tell_small_sites(
    config: ComBatConfig, sites: Sequence[str], sizes: NDArray[np.int_], source: str
) -> None:
    """Warn of sites whose effect is little known; refuse what could not be estimated at all."""
    single = _require_shrunken(config, sites, sizes, source)
    if single and not config.mean_only:
        _warn(
            f"{source}: one case only at {_listed([repr(name) for name in single])}; its mean is "
            "corrected, its variance is not (--mean-only does so at every site, as sva then does)"
        )
    small = [
        f"'{name}' ({count})"
        for name, count in zip(sites, sizes, strict=True)
        if 1 < count < SMALL_SITE
    ]
    if small:
        _warn(
            f"{source}: fewer than {SMALL_SITE} cases at {_listed(small)}; the effect of such a "
            "site is little known, and mostly taken from how its features agree"
        )


def _listed(names: Sequence[str], by: str = ", ") -> str:
    more = f"{by}and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return by.join(names[:SHOWN]) + more


def _warn(message: str) -> None:
    warnings.warn(message, HarmonizeWarning, stacklevel=4)
