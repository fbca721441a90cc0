"""What is asked of the sums of sites before anything is estimated from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.site_summary import Summary, digest_sums
from harmonize_kit.combat.spline_basis import DEGREE, SmoothTerm
from harmonize_kit.combat.sums import SiteSums
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.errors import ConfigError, DesignError, IntegrityError, did_you_mean

Array = NDArray[np.float64]

# Of a column's standard deviation; products know it to the square root of rounding.
RANK_TOLERANCE = 1e-6
# Standard deviations to either side of a site's mean within which nearly all of its cases lie.
REACH = 2.0


def require_one_plan(
    summaries: Sequence[Summary], source: str, features: tuple[str, ...] | None = None
) -> dict[str, SiteSums]:
    """Return the sums of each site, by name in order, with the features in one order.

    Raises
    ------
    ConfigError
        If the plans, the columns or the features differ, or a site comes twice.
    """
    if not summaries:
        raise ConfigError(f"{source}: expected the messages of sites, got none")
    first = summaries[0]
    features = first.features if features is None else features
    sums: dict[str, SiteSums] = {}
    for one in summaries:
        told = ", ".join(f"'{site}'" for site in one.sums)
        if one.plan != first.plan:
            raise ConfigError(
                f"{source}: the message of {told} was made by another plan "
                f"({_differing(one, first)} differs); summarize anew by the same one"
            )
        if one.columns != first.columns or set(one.features) != set(features):
            strange = sorted(set(one.features) ^ set(features)) or ["covariate columns"]
            raise ConfigError(
                f"{source}: the message of {told} has other features ({len(strange)} differ, such "
                f"as '{strange[0]}'); agree on 'features' in the plan"
            )
        for site, own in one.of(features).sums.items():
            if site in sums:
                raise ConfigError(
                    f"{source}: site '{site}' comes in two messages; give sites names of their own"
                )
            sums[site] = own
    return {site: sums[site] for site in sorted(sums)}


def _differing(one: Summary, other: Summary) -> str:
    mine, yours = one.plan.model_dump(), other.plan.model_dump()
    return ", ".join(f"'{name}'" for name in mine if mine[name] != yours[name])


def require_reference(plan: FederationPlan, sites: Sequence[str], source: str) -> None:
    """Refuse a single site, and a reference that is none of the sites."""
    if len(sites) < 2:
        raise DesignError(
            f"{source}: expected at least two sites, got only '{', '.join(sites)}'; there is no "
            "site effect to remove"
        )
    if plan.reference is not None and plan.reference not in sites:
        raise DesignError(
            f"{source}: reference '{plan.reference}' is none of the sites. "
            f"{did_you_mean(plan.reference, sites)}"
        )


def require_same_sums(
    summaries: Sequence[Summary], plan: FederationPlan, digests: Mapping[str, str], source: str
) -> None:
    """Refuse sums other than those that were combined, told by their digests."""
    for one in summaries:
        if one.plan != plan:
            raise IntegrityError(f"{source}: the message was made by another plan; combine anew")
        for site, own in one.sums.items():
            if digests.get(site) != digest_sums(own):
                raise IntegrityError(
                    f"{source}: the sums of site '{site}' are not those that were combined; use "
                    "the message that was sent, or combine anew"
                )


def covariate_moments(sums: Sequence[SiteSums]) -> tuple[Array, Array]:
    """Return mean and standard deviation of each column over all cases, each of shape (q,)."""
    sizes = np.array([one.count for one in sums], dtype=np.float64)
    means = np.stack([one.covariate_mean for one in sums])
    mean: Array = sizes @ means / sizes.sum()
    within = np.sum([np.diag(one.gram) for one in sums], axis=0)
    between = sizes @ (means - mean) ** 2
    return mean, np.sqrt((within + between) / sizes.sum())


def straight_line(term: SmoothTerm) -> Array:
    """Return the weights, shape (m,), by which the columns of a smooth add up to its straight line.

    B-splines add up to the line with the means of their inner knots as weights (Greville's
    abscissae); that of the one that is left out is 0.
    """
    knots = np.concatenate([np.zeros(DEGREE + 1), term.knots, np.ones(DEGREE + 1)])
    weights = [knots[at + 1 : at + 1 + DEGREE].mean() for at in range(1, len(term.centre) + 1)]
    return np.array(weights, dtype=np.float64)


def require_estimable_sums(sums: Sequence[SiteSums], design: CovariateDesign, site: str) -> None:
    """Refuse a design in which site and covariates cannot be told apart, from standardised sums.

    As :func:`~harmonize_kit.combat.confounding.require_estimable`, by the products within sites.

    Raises
    ------
    DesignError
        If a column is a combination of sites and earlier columns, or there are too few cases.
    """
    straight = len(design.centre)
    pick = np.zeros((len(design.names), straight + len(design.smooths)))
    pick[:straight, :straight] = np.eye(straight)
    start = straight
    for number, term in enumerate(design.smooths):
        pick[start : start + len(term.centre), straight + number] = straight_line(term)
        start += len(term.centre)
    names = (*design.names[:straight], *(term.name for term in design.smooths))
    n_cases = sum(one.count for one in sums)
    if n_cases <= len(sums) + len(names):
        raise DesignError(
            f"expected more cases than parameters, got {n_cases} cases for {len(sums)} sites and "
            f"{len(names)} covariate columns; preserve fewer covariates or pool sites"
        )
    means = np.stack([one.covariate_mean for one in sums]) @ pick
    sizes = np.array([one.count for one in sums], dtype=np.float64)
    gram: Array = pick.T @ np.sum([one.gram for one in sums], axis=0) @ pick / n_cases
    spread = np.sqrt(np.diag(gram) + sizes @ (means - sizes @ means / n_cases) ** 2 / n_cases)
    spread = np.where(spread > 0, spread, 1.0)
    gram /= np.outer(spread, spread)
    for column, name in enumerate(names):
        if gram[column, column] < RANK_TOLERANCE**2:
            raise DesignError(
                f"covariate '{name}' is determined by '{site}': it does not vary inside any site, "
                "so its effect and the site's cannot be told apart; leave it out of the plan, or "
                "add sites where it varies"
            )
        before, cross = gram[:column, :column], gram[:column, column]
        explained = cross @ cast(Array, np.linalg.lstsq(before, cross, rcond=None)[0])
        if gram[column, column] - explained < RANK_TOLERANCE**2:
            raise DesignError(
                f"covariate '{name}' is a combination of '{site}' and "
                f"{', '.join(repr(other) for other in names[:column])}; leave one of them out"
            )


def overlap_warnings(
    sums: Mapping[str, SiteSums], columns: tuple[str, ...], source: str
) -> list[str]:
    """Return a sentence for each column and site whose mean lies beyond the other sites' cases.

    Ranges are not sent, so mean and twice the standard deviation stand for them; in one place
    :func:`~harmonize_kit.combat.overlap.poor_overlap` looks at the cases themselves.
    """
    means = np.stack([one.covariate_mean for one in sums.values()])
    spread = np.stack([np.sqrt(np.diag(one.gram) / one.count) for one in sums.values()])
    told: list[str] = []
    for at, site in enumerate(sums):
        others = np.arange(len(means)) != at
        low = (means - REACH * spread)[others].min(axis=0)
        high = (means + REACH * spread)[others].max(axis=0)
        for column in np.flatnonzero((means[at] < low) | (means[at] > high)):
            if not columns[column].startswith("s("):
                told.append(
                    f"{source}: '{columns[column]}' of site '{site}' (mean {means[at, column]:.3g})"
                    f" lies beyond most cases of the other sites ({low[column]:.3g} to "
                    f"{high[column]:.3g}); an error in its effect would be taken for the site"
                )
    return told
