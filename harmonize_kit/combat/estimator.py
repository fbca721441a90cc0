"""The ComBat family as scikit-learn transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import base

from harmonize_kit.combat.covbat_model import FittedCovBat
from harmonize_kit.combat.longitudinal_model import FittedLongitudinalComBat
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.nested import FittedNestedComBat
from harmonize_kit.combat.transformer import SiteTransformer
from harmonize_kit.config.combat import (
    ComBatConfig,
    CovBatConfig,
    LongitudinalComBatConfig,
    NestedComBatConfig,
    Smoothing,
)
from harmonize_kit.core.table import FeatureTable


class ComBat(SiteTransformer):  # pyright: ignore[reportUnsafeMultipleInheritance]
    """Remove site effects from features and keep what the covariates explain.

    Parameters
    ----------
    site : str
        Column of ``covariates`` that names the site.
    preserve : str or sequence of str, optional
        Covariates whose effect is kept: a formula (``"age + sex"``) or a list of columns.
    categorical : sequence of str
        Covariates that name groups although they are written as numbers.
    reference : str, optional
        Site to which the others are brought; it stays as it is.
    smooth : sequence of str, optional
        Covariates of numbers with a smooth effect: this is ComBat-GAM.
    smoothing : {"reml", "gcv", "neuroharmonize"}
        How the smoothness of each feature's curve is chosen: by restricted maximum likelihood, by
        generalised cross-validation, or as neuroHarmonize does with ``seed``, to reproduce it.
    seed : int
        Of neuroHarmonize's random folds; see :class:`~harmonize_kit.config.combat.ComBatConfig`.
    empirical_bayes, parametric, mean_only, robust : bool
        See :class:`~harmonize_kit.config.combat.ComBatConfig`.
    copy : bool
        False lets ``transform`` write into an array of float64 that it is given.

    Attributes
    ----------
    model_ : FittedComBat
        Learned state; holds nothing of any single subject.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only where ``fit`` was given a DataFrame.

    References
    ----------
    Johnson et al. 2007, Biostatistics 8:118; Fortin et al. 2018, NeuroImage 167:104; Pomponio et
    al. 2020, NeuroImage 208:116450.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> covariates = pd.DataFrame({"site": ["A"] * 20 + ["B"] * 20, "age": rng.uniform(20, 80, 40)})
    >>> X = rng.normal(size=(40, 5)) + (covariates["site"] == "B").to_numpy()[:, None]
    >>> combat = ComBat(site="site", preserve="age").fit(X, covariates=covariates)
    >>> combat.transform(X[:1], covariates=covariates[:1]).shape
    (1, 5)
    """

    model_: FittedComBat

    def __init__(
        self,
        site: str = "site",
        preserve: str | Sequence[str] | None = None,
        *,
        categorical: Sequence[str] = (),
        smooth: Sequence[str] | None = None,
        reference: str | None = None,
        empirical_bayes: bool = True,
        parametric: bool = True,
        mean_only: bool = False,
        robust: bool = False,
        smoothing: Smoothing = "reml",
        seed: int = 0,
        copy: bool = True,
    ) -> None:
        self.site = site
        self.preserve = preserve
        self.categorical = categorical
        self.smooth = smooth
        self.reference = reference
        self.empirical_bayes = empirical_bayes
        self.parametric = parametric
        self.mean_only = mean_only
        self.robust = robust
        self.smoothing: Smoothing = smoothing
        self.seed = seed
        self.copy = copy

    def _takes_missing(self) -> bool:
        return not self.robust and not (self.smooth and self.smoothing == "neuroharmonize")

    def config(self) -> ComBatConfig:
        """Return the choices as a configuration."""
        choices = self._choices()
        del choices["copy"]
        return self._configured(ComBatConfig, choices)

    def adapt(self, X: ArrayLike, *, covariates: pd.DataFrame) -> Self:
        """Return a new fitted estimator that also knows the new sites of these cases.

        Everything learned before stays as it is; see :meth:`FittedComBat.adapt`.

        Raises
        ------
        NotFittedError
            If :meth:`fit` was not called.
        DesignError, TableError, CovariateError
            See :meth:`FittedComBat.adapt`.
        """
        self._require_fitted()
        adapted = cast(Self, cast(Any, base).clone(self))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(adapted, name, getattr(self, name))
        adapted.model_ = self.model_.adapt(self._table(X, covariates, reset=False))
        return adapted

    def _apply(self, table: FeatureTable, X: ArrayLike) -> FeatureTable:
        if self.copy or not isinstance(X, np.ndarray) or X.dtype != np.float64:
            return self.model_.apply(table)
        return self.model_.apply(table, cast(NDArray[np.float64], X))


class CovBat(SiteTransformer):  # pyright: ignore[reportUnsafeMultipleInheritance]
    """ComBat, and then the site effects in how features vary together.

    Parameters
    ----------
    site, preserve, categorical, smooth, reference, empirical_bayes, parametric, mean_only
        See :class:`ComBat`.
    smoothing, seed
        See :class:`ComBat`.
    share : float
        The fewest principal components that explain more than this share of the variance are
        corrected.
    components : int, optional
        Correct so many, whatever they explain.

    Attributes
    ----------
    model_ : FittedCovBat

    References
    ----------
    Chen et al. 2022, Hum Brain Mapp 43:1179.
    """

    model_: FittedCovBat

    def __init__(
        self,
        site: str = "site",
        preserve: str | Sequence[str] | None = None,
        *,
        categorical: Sequence[str] = (),
        smooth: Sequence[str] | None = None,
        reference: str | None = None,
        empirical_bayes: bool = True,
        parametric: bool = True,
        mean_only: bool = False,
        share: float = 0.95,
        components: int | None = None,
        smoothing: Smoothing = "reml",
        seed: int = 0,
    ) -> None:
        self.site = site
        self.preserve = preserve
        self.categorical = categorical
        self.smooth = smooth
        self.reference = reference
        self.empirical_bayes = empirical_bayes
        self.parametric = parametric
        self.mean_only = mean_only
        self.share = share
        self.components = components
        self.smoothing: Smoothing = smoothing
        self.seed = seed

    def _takes_missing(self) -> bool:
        return False

    def config(self) -> CovBatConfig:
        """Return the choices as a configuration."""
        return self._configured(CovBatConfig, self._choices())


class LongitudinalComBat(SiteTransformer):  # pyright: ignore[reportUnsafeMultipleInheritance]
    """ComBat for repeated scans: the visits of a subject share a level of their own.

    The level is predicted from the rows that are given together, so all visits of a subject belong
    in one call.

    Parameters
    ----------
    site, preserve, categorical, reference, empirical_bayes, parametric, mean_only
        See :class:`ComBat`.
    subject : str
        Column of ``covariates`` that names the subject.

    Attributes
    ----------
    model_ : FittedLongitudinalComBat

    References
    ----------
    Beer et al. 2020, NeuroImage 220:117129.
    """

    model_: FittedLongitudinalComBat

    def __init__(
        self,
        site: str = "site",
        preserve: str | Sequence[str] | None = None,
        *,
        subject: str = "subject",
        categorical: Sequence[str] = (),
        reference: str | None = None,
        empirical_bayes: bool = True,
        parametric: bool = True,
        mean_only: bool = False,
    ) -> None:
        self.site = site
        self.preserve = preserve
        self.subject = subject
        self.categorical = categorical
        self.reference = reference
        self.empirical_bayes = empirical_bayes
        self.parametric = parametric
        self.mean_only = mean_only

    def _takes_missing(self) -> bool:
        return False

    def config(self) -> LongitudinalComBatConfig:
        """Return the choices as a configuration."""
        return self._configured(LongitudinalComBatConfig, self._choices())


class NestedComBat(SiteTransformer):  # pyright: ignore[reportUnsafeMultipleInheritance]
    """ComBat for several batch variables (scanner, kernel, contrast ...), one after another.

    Parameters
    ----------
    batches : sequence of str
        Columns of ``covariates`` that name the batches.
    preserve, categorical, smooth, empirical_bayes, parametric, mean_only, smoothing, seed
        See :class:`ComBat`.
    best_order : bool
        Try every order and keep the one that leaves the fewest features differing between batches;
        False takes the variables out in the order given.

    Attributes
    ----------
    model_ : FittedNestedComBat

    References
    ----------
    Horng et al. 2022, Sci Rep 12:4493.
    """

    model_: FittedNestedComBat

    def __init__(
        self,
        batches: Sequence[str] = (),
        preserve: str | Sequence[str] | None = None,
        *,
        categorical: Sequence[str] = (),
        smooth: Sequence[str] | None = None,
        empirical_bayes: bool = True,
        parametric: bool = True,
        mean_only: bool = False,
        best_order: bool = True,
        smoothing: Smoothing = "reml",
        seed: int = 0,
    ) -> None:
        self.batches = batches
        self.preserve = preserve
        self.categorical = categorical
        self.smooth = smooth
        self.empirical_bayes = empirical_bayes
        self.parametric = parametric
        self.mean_only = mean_only
        self.best_order = best_order
        self.smoothing: Smoothing = smoothing
        self.seed = seed

    def config(self) -> NestedComBatConfig:
        """Return the choices as a configuration."""
        return self._configured(NestedComBatConfig, self._choices())
