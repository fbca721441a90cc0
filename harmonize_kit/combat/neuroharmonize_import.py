"""A model that neuroHarmonize fitted and saved, as one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.formula import list_formula, parse_formula
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.neuroharmonize_dictionary import ModelDictionary
from harmonize_kit.combat.neuroharmonize_model import Estimates, read_estimates, to_fitted
from harmonize_kit.combat.spline_basis import DEGREE, SmoothTerm
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.errors import ConfigError, IntegrityError

Array = NDArray[np.float64]

SITE = "SITE"
LARGEST = 1e38  # what float32 holds
# Of use in a model; what holds a row or a column for each subject is reduced or left out.
FIELDS = (
    "SITE_labels", "B_hat", "grand_mean", "stand_mean", "var_pooled", "gamma_star", "delta_star",
    "gamma_hat", "delta_hat", "info_dict", "smooth_model", "eb", "Covariates", "design",
)  # fmt: skip
# What such a model's pickle asks for beside numpy's arrays: splines, and a table (df_gam) in the
# words of pandas 1 and 2, or of pandas 3. They are expected, and not looked up either.
NAMES = frozenset(
    {
        "statsmodels.gam.smooth_basis.BSplines", "statsmodels.gam.smooth_basis.UnivariateBSplines",
        "builtins.slice", "pandas._libs.internals._unpickle_block",
        "pandas.core.internals.managers.BlockManager", "pandas.core.indexes.base._new_Index",
        "pandas.core.frame.DataFrame", "pandas.core.indexes.base.Index",
        "pandas.core.indexes.range.RangeIndex",
        "pandas.DataFrame", "pandas.Index", "pandas.RangeIndex", "pandas.StringDtype",
        "pandas.arrays.ArrowStringArray", "pyarrow.lib._restore_array", "pyarrow.lib.py_buffer",
        "pyarrow.lib.type_for_alias", "builtins.bytearray",
    }
)  # fmt: skip


def import_neuroharmonize(
    model: ModelDictionary,
    *,
    features: Sequence[str] | None = None,
    covariates: Sequence[str] | None = None,
    site: str = SITE,
) -> FittedComBat:
    """Return the model a dictionary of neuroHarmonize's describes, without any subject's row.

    Of the design matrix only the smallest and largest value of each covariate are kept, as our own
    models keep them; of the splines only the knots.

    Parameters
    ----------
    model : ModelDictionary
    features : sequence of str, optional
        Names of the p features, which neuroHarmonize does not keep; f1 to fp otherwise.
    covariates : sequence of str, optional
        Names of the covariates in the order of the table that neuroHarmonize was given, for models
        of versions that did not keep them.
    site : str
        Column of the site in tables the model will be applied to.

    Raises
    ------
    ConfigError
        If the names given are not as many as the model has, or it needs some that are not given.
    IntegrityError
        If a field is absent or does not fit the others, or an estimate is not finite.
    """
    found = read_estimates(model)
    if not found.is_finite:
        raise IntegrityError(
            f"{model.source}: an estimate is not finite, or a scale is 0, as neuroHarmonize leaves "
            "them after a missing cell, a site of one case or a constant feature; fit anew"
        )
    names = _feature_names(features, found.effects.shape[1], model.source)
    held = _covariate_names(model, covariates)
    if len(set(held)) < len(held) or held.count(SITE) != 1:
        raise IntegrityError(f"{model.source}: expected one {SITE} and each covariate once")
    smooth = model.inside("smooth_model")
    at = smooth.whole_numbers("smooth_cols") if smooth.fields.get("perform_smoothing") else ()
    if not all(0 <= position < len(held) for position in at):
        raise IntegrityError(f"{model.source}: smooth_cols names no column of Covariates")
    curved = tuple(held[position] for position in at)
    straight = tuple(name for name in held if name not in curved and name != SITE)
    design = _design(model, found, straight, curved)
    reference = None if found.reference is None else found.sites[found.reference]
    config = ComBatConfig(
        site=site,
        preserve=design.formula or None,
        reference=reference,
        empirical_bayes=bool(model.fields.get("eb", True)),
        smooth=curved,
        smoothing="neuroharmonize",
    )
    return to_fitted(config, design, names, found)


def _feature_names(given: Sequence[str] | None, count: int, source: str) -> tuple[str, ...]:
    if given is None:
        return tuple(f"f{number + 1}" for number in range(count))
    if len(given) != count or len(set(given)) < count:
        raise ConfigError(
            f"{source}: the model has {count} features, got {len(set(given))} different names; "
            "give the names in the order in which neuroHarmonize was given the features"
        )
    return tuple(given)


def _covariate_names(model: ModelDictionary, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of the table neuroHarmonize was given, SITE among them."""
    if "Covariates" in model.fields:
        held = model.texts("Covariates")
        if given is not None and tuple(given) != tuple(name for name in held if name != SITE):
            raise ConfigError(
                f"{model.source}: the model names its covariates itself: {', '.join(held)}"
            )
        return held
    if given is None:
        raise ConfigError(
            f"{model.source}: an early version of neuroHarmonize saved it, without the names of "
            "its covariates; give them in the order of its table, SITE too (--covariates "
            "SITE,age,sex)"
        )
    if SITE not in given:
        raise ConfigError(f"expected {SITE} among the columns of the table, got {', '.join(given)}")
    return tuple(given)


def _design(
    model: ModelDictionary, found: Estimates, straight: tuple[str, ...], curved: tuple[str, ...]
) -> CovariateDesign:
    source, k, m = model.source, len(found.sites), len(straight)
    terms = _smooth_terms(model, curved) if curved else ()
    columns = m + sum(len(term.centre) for term in terms)
    matrix = model.rows("design")
    if len(found.effects) != columns or matrix.shape[1] != k + columns:
        raise IntegrityError(
            f"{source}: expected {columns} effects of {', '.join((*straight, *curved)) or 'none'}, "
            f"got {len(found.effects)} and a design of {matrix.shape[1]} columns for {k} sites"
        )
    low, high = matrix[:, k : k + m].min(axis=0), matrix[:, k : k + m].max(axis=0)
    if not (low < high).all() or max(-low.min(initial=0), high.max(initial=0)) > LARGEST:
        raise IntegrityError(f"{source}: a covariate of the design does not vary, or is not finite")
    if not terms:
        low, high = _before_rounding(low, -np.inf), _before_rounding(high, np.inf)
    ranges = {name: (float(low[j]), float(high[j])) for j, name in enumerate(straight)}
    ranges |= {term.name: (term.lower, term.upper) for term in terms}
    names = (*straight, *(name for term in terms for name in term.names))
    parsed = parse_formula(list_formula(straight))
    if parsed.columns != straight:
        raise ConfigError(f"{source}: covariates named {', '.join(straight)} cannot be told apart")
    return CovariateDesign(parsed.text, ranges, {}, names, np.zeros(m), np.ones(m), terms)


def _smooth_terms(model: ModelDictionary, names: tuple[str, ...]) -> tuple[SmoothTerm, ...]:
    """Return the splines by their knots; their columns are not centred, as theirs are not."""
    constructor = model.inside("smooth_model").inside("bsplines_constructor")
    smoothers = cast(list[object], constructor.field("smoothers"))
    if not isinstance(cast(object, smoothers), list) or len(smoothers) != len(names):
        raise IntegrityError(f"{model.source}: expected a spline for each of {', '.join(names)}")
    terms: list[SmoothTerm] = []
    for name, smoother in zip(names, smoothers, strict=True):
        own = ModelDictionary({"smoother": smoother}, model.source).inside("smoother")
        knots = np.sort(np.ravel(own.numbers("knots")))
        order = DEGREE + 1
        cubic = own.fields.get("degree") == DEGREE and len(knots) >= 2 * order
        if not (cubic and np.isfinite(knots).all() and knots[0] < knots[-1]):
            raise IntegrityError(f"{model.source}: the spline of '{name}' is not cubic")
        lower, upper = float(knots[0]), float(knots[-1])
        inner = (knots[order:-order] - lower) / (upper - lower)
        terms.append(SmoothTerm(name, lower, upper, inner, np.zeros(len(inner) + DEGREE)))
    return tuple(terms)


def _before_rounding(bound: Array, outward: float) -> Array:
    """Return a bound that holds the values it stands for, which were rounded to float32.

    A whole number stands for itself.
    """
    beyond = np.nextafter(bound.astype(np.float32), np.float32(outward)).astype(np.float64)
    return np.where(bound == np.rint(bound), bound, beyond)
