"""Which shrinkage a configuration asks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.effects import SiteEffects
from harmonize_kit.combat.empirical_bayes import (
    estimate_priors,
    shrink_location,
    shrink_nonparametric,
    shrink_parametric,
)
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.errors import TableError

Array = NDArray[np.float64]

FEWEST_KEPT = 3


def shrink(
    config: ComBatConfig, effects: SiteEffects, mean_only: NDArray[np.bool_], source: str
) -> tuple[Array, Array]:
    """Return shrunken locations and scales, each (k, p).

    Features without variance, or with too few cells, in some site take no part in the priors.

    Raises
    ------
    TableError
        If there are fewer than two features to shrink over.
    """
    location, scale = effects.location, effects.scale
    if not config.empirical_bayes:
        return location.copy(), scale.copy()
    varying = require_two_varying(effects, source)
    g, d, s = location[:, varying], scale[:, varying], effects.squares[:, varying]
    counts = effects.counts if effects.counts.shape[1] == 1 else effects.counts[:, varying]
    if config.parametric:
        priors = estimate_priors(g, d)
        if mean_only.all():
            # sva shrinks means alone as if each site had one case of variance one.
            shrunken = shrink_location(g, 1.0, 1.0, priors.location_mean, priors.location_variance)
            found = shrunken, d
        else:
            found = shrink_parametric(g, d, s, counts, priors)
    else:
        found = shrink_nonparametric(g, d, s, counts)
    new_location, new_scale = location.copy(), scale.copy()
    new_location[:, varying] = found[0]
    if not config.mean_only:
        new_scale[:, varying] = found[1]
    return new_location, new_scale


def require_two_varying(effects: SiteEffects, source: str) -> slice | NDArray[np.bool_]:
    """Return which features are shrunken over: those with variance in every site."""
    passed = effects.constant | effects.sparse
    varying = int(passed.size - passed.sum())
    if varying < 2:
        raise TableError(
            f"{source}: empirical Bayes needs at least two features that vary in every site, got "
            f"{varying}; fit without it (--no-eb, empirical_bayes=False)"
        )
    return slice(None) if varying == passed.size else ~passed


def without_single_cases(
    effects: SiteEffects, location: Array, scale: Array
) -> tuple[Array, Array]:
    """Return location and scale before shrinkage, but as shrunken where few cases are behind them.

    The mean of one case is that case, and mean and variance of two are both of them.
    """
    few = np.broadcast_to(effects.counts < FEWEST_KEPT, location.shape)
    return np.where(few, location, effects.location), np.where(few, scale, effects.scale)
