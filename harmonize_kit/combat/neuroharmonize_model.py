"""neuroHarmonize's models as ours: what its dictionary holds, without any subject's row.

neuroHarmonize 2.5 fits one-hot sites and covariates in their own units (as float32, but for a GAM),
and keeps beside its estimates the design, the mean of every case and the spline's training values.
Here only what was estimated is taken over: ``apply`` then gives what its ``harmonizationApply``
gives, to the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.neuroharmonize_dictionary import ModelDictionary
from harmonize_kit.combat.shrinkage import FEWEST_KEPT
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.errors import IntegrityError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimates:
    """What neuroHarmonize estimated for p features, k sites and r design columns.

    Parameters
    ----------
    sites : tuple of str
    counts : tuple of int
        Training cases of each site.
    reference : int, optional
        Position of the reference site.
    effects : ndarray, shape (r, p)
        Of the covariates in their own units: the linear ones, then the splines.
    grand_mean, pooled_sd : ndarray, shape (p,)
    location, scale, raw_location, raw_scale : ndarray, shape (k, p)
        Of the sites, shrunken and before; a reference has 0 and 1.
    """

    sites: tuple[str, ...]
    counts: tuple[int, ...]
    reference: int | None
    effects: Array
    grand_mean: Array
    pooled_sd: Array
    location: Array
    scale: Array
    raw_location: Array
    raw_scale: Array

    @property
    def is_finite(self) -> bool:
        """Tell whether every estimate is a number; in neuroHarmonize one cell can spoil all."""
        return all(
            bool(np.isfinite(one).all())
            for one in (
                self.effects, self.grand_mean, self.pooled_sd, self.location, self.scale,
                self.raw_location, self.raw_scale,
            )
        ) and bool((self.pooled_sd > 0).all() and (self.scale > 0).all())  # fmt: skip


def read_estimates(model: ModelDictionary) -> Estimates:
    """Return the estimates of a model dictionary.

    Raises
    ------
    IntegrityError
        If a field is absent, or has not the shape the others imply.
    """
    sites, effects = model.texts("SITE_labels"), model.rows("B_hat")
    k, p = len(sites), effects.shape[1]
    # Until 2.4 the grand mean was a field of its own; since then it stands in every column.
    repeated = "stand_mean" in model.fields
    grand = model.rows("stand_mean")[:, 0] if repeated else np.ravel(model.numbers("grand_mean"))
    variance = np.ravel(model.numbers("var_pooled"))
    about = model.inside("info_dict")
    counts = about.whole_numbers("sample_per_batch")
    named = about.fields.get("ref_level") is not None
    reference = about.whole_numbers("ref_level")[0] if named else None
    names = ("gamma_star", "delta_star", "gamma_hat", "delta_hat")
    of_sites = [model.rows(name) for name in names]
    shapes = {one.shape for one in of_sites} | {(k, len(grand)), (k, len(variance))}
    fits = shapes == {(k, p)} and len(counts) == k == len(set(sites)) <= len(effects)
    if not fits or (reference is not None and not 0 <= reference < k):
        raise IntegrityError(
            f"{model.source}: expected estimates of {k} sites and {p} features, got shapes "
            f"{sorted(shapes)} and {len(counts)} counts"
        )
    return _as_ours(sites, counts, reference, effects[k:], grand, variance, of_sites)


def _as_ours(
    sites: tuple[str, ...],
    counts: tuple[int, ...],
    reference: int | None,
    effects: Array,
    grand: Array,
    variance: Array,
    of_sites: Sequence[Array],
) -> Estimates:
    location, scale, raw_location, raw_scale = (one.copy() for one in of_sites)
    if reference is not None:
        # The indicator of the reference is 1 for every case, so its own shift is in all.
        location += location[reference].copy()
        raw_location += raw_location[reference].copy()
        for one, value in ((location, 0.0), (scale, 1.0), (raw_location, 0.0), (raw_scale, 1.0)):
            one[reference] = value
    few = np.array(counts) < FEWEST_KEPT
    raw_location[few], raw_scale[few] = location[few], scale[few]
    with np.errstate(all="ignore"):
        sd = np.sqrt(variance)
    return Estimates(
        sites, counts, reference, effects, grand, sd, location, scale, raw_location, raw_scale
    )


def to_fitted(
    config: ComBatConfig, design: CovariateDesign, features: Sequence[str], found: Estimates
) -> FittedComBat:
    """Return our model of these estimates: its columns are centred and scaled, theirs are not."""
    m = len(design.centre)
    centre = np.concatenate([design.centre, *(term.centre for term in design.smooths)])
    scale = np.concatenate([design.scale, np.ones(len(centre) - m)])
    return FittedComBat(
        config,
        design,
        tuple(features),
        found.sites,
        found.counts,
        np.zeros(len(features), dtype=np.bool_),
        found.grand_mean + centre @ found.effects,
        found.pooled_sd,
        scale[:, None] * found.effects,
        found.location,
        found.scale,
        found.raw_location,
        found.raw_scale,
    )
