"""ComBat as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import validation

from harmonize_kit.combat.formula import list_formula
from harmonize_kit.combat.harmonizer import ComBatHarmonizer
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import NotFittedError, TableError


class ComBat(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # pyright: ignore
    """Remove site effects from features and keep what the covariates explain.

    Site and covariates travel as ``covariates`` to ``fit`` and ``transform``, not through the
    constructor, so that one object meets new patients, and scikit-learn's metadata routing gives
    every fold of a cross-validation its own: what a test subject gets depends on that subject and
    on the training subjects alone.

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
    empirical_bayes, parametric, mean_only : bool
        See :class:`~harmonize_kit.config.combat.ComBatConfig`.

    Attributes
    ----------
    model_ : FittedComBat
        Learned state; holds nothing of any single subject.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only where ``fit`` was given a DataFrame.

    References
    ----------
    Johnson et al. 2007, Biostatistics 8:118; Fortin et al. 2018, NeuroImage 167:104.

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
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        site: str = "site",
        preserve: str | Sequence[str] | None = None,
        *,
        categorical: Sequence[str] = (),
        reference: str | None = None,
        empirical_bayes: bool = True,
        parametric: bool = True,
        mean_only: bool = False,
    ) -> None:
        self.site = site
        self.preserve = preserve
        self.categorical = categorical
        self.reference = reference
        self.empirical_bayes = empirical_bayes
        self.parametric = parametric
        self.mean_only = mean_only

    def fit(self, X: ArrayLike, y: object = None, *, covariates: pd.DataFrame) -> Self:
        """Learn the site effects.

        Parameters
        ----------
        X : DataFrame or array, shape (n_cases, n_features)
            A DataFrame is joined to ``covariates`` by index, an array by position.
        y : ignored
        covariates : DataFrame, shape (n_cases, n_columns)
            Holds the site column and the preserved covariates.

        Raises
        ------
        DesignError, CovariateError, TableError
            See :meth:`ComBatHarmonizer.fit`.
        """
        table = self._table(X, covariates, reset=True)
        self.model_ = self.harmonizer().fit(table)
        return self

    def transform(self, X: ArrayLike, *, covariates: pd.DataFrame) -> NDArray[np.float64]:
        """Return harmonized features, shape (n_cases, n_features).

        Raises
        ------
        NotFittedError
            If :meth:`fit` was not called.
        UnseenSiteError, CovariateError, TableError
            See :meth:`FittedComBat.apply`.
        """
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("this ComBat is not fitted yet; call fit(X, covariates=...) first")
        return self.model_.apply(self._table(X, covariates, reset=False)).values

    def fit_transform(  # pyright: ignore[reportIncompatibleMethodOverride]  # site is required
        self, X: ArrayLike, y: object = None, *, covariates: pd.DataFrame
    ) -> NDArray[np.float64]:
        """Fit, then return the same cases harmonized, shape (n_cases, n_features)."""
        return self.fit(X, y, covariates=covariates).transform(X, covariates=covariates)

    def harmonizer(self) -> ComBatHarmonizer:
        """Return the same choices as a harmonizer of feature tables."""
        preserve = self.preserve
        if preserve is not None and not isinstance(preserve, str):
            preserve = list_formula(preserve) or None
        config = ComBatConfig(
            site=self.site,
            preserve=preserve,
            categorical=tuple(self.categorical),
            reference=self.reference,
            empirical_bayes=self.empirical_bayes,
            parametric=self.parametric,
            mean_only=self.mean_only,
        )
        return ComBatHarmonizer(config)

    def _table(self, X: ArrayLike, covariates: pd.DataFrame, *, reset: bool) -> FeatureTable:
        named = isinstance(X, pd.DataFrame)
        values = cast(
            NDArray[np.float64],
            cast(Any, validation).validate_data(
                self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            ),
        )
        if named:
            index = X.index
        elif len(covariates) == len(values):
            index = covariates.index
        else:
            raise TableError(
                f"X is an array of {len(values)} cases and is joined to covariates by position, "
                f"got covariates of {len(covariates)} cases; give X as a DataFrame to join by index"
            )
        columns = (
            [str(name) for name in X.columns] if named else list(unnamed_features(values.shape[1]))
        )
        features = pd.DataFrame(values, index=index, columns=columns)
        return FeatureTable.join(features, covariates, source="X")

    def __sklearn_is_fitted__(self) -> bool:
        return isinstance(getattr(self, "model_", None), FittedComBat)

    def __sklearn_tags__(self) -> Any:
        tags = cast(Any, super().__sklearn_tags__())
        tags.input_tags.allow_nan = True
        return tags


def unnamed_features(count: int) -> tuple[str, ...]:
    """Return the names scikit-learn gives the features of an array: x0, x1 ..."""
    return tuple(f"x{number}" for number in range(count))
