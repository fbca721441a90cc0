"""What every ComBat transformer of scikit-learn shares: fit, transform, and how tables join."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import validation

from harmonize_kit.combat.formula import list_formula
from harmonize_kit.combat.kinds import AnyHarmonizer, harmonizer_of
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, NotFittedError, TableError

ConfigKind = TypeVar("ConfigKind", bound=ComBatConfig)


class SiteTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # pyright: ignore
    """A transformer that takes site effects out of features.

    Site and covariates travel as ``covariates`` to ``fit`` and ``transform``, not through the
    constructor, so that one object meets new patients, and scikit-learn's metadata routing gives
    every fold of a cross-validation its own: what a test subject gets depends on that subject and
    on the training subjects alone.
    """

    model_: Any
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def config(self) -> ComBatConfig:
        """Return the choices as a configuration."""
        raise NotImplementedError

    def harmonizer(self) -> AnyHarmonizer:
        """Return the same choices as a harmonizer of feature tables."""
        return harmonizer_of(self.config())

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
        self._require_fitted()
        table = self._table(X, covariates, reset=False)
        return self._apply(table, X).values

    def fit_transform(  # pyright: ignore[reportIncompatibleMethodOverride]  # site is required
        self, X: ArrayLike, y: object = None, *, covariates: pd.DataFrame
    ) -> NDArray[np.float64]:
        """Fit, then return the same cases harmonized, shape (n_cases, n_features)."""
        del y
        table = self._table(X, covariates, reset=True)
        self.model_ = self.harmonizer().fit(table)
        return self._apply(table, X).values

    def _table(self, X: ArrayLike, covariates: pd.DataFrame, *, reset: bool) -> FeatureTable:
        named = isinstance(X, pd.DataFrame)
        # scikit-learn looks at the type of each column of a DataFrame; of these, only at the names.
        ready = isinstance(X, pd.DataFrame) and _is_of_floats(X)
        checked = cast(Any, validation).validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite=False, skip_check_array=ready
        )
        values = cast(NDArray[np.float64], cast(pd.DataFrame, X).to_numpy() if ready else checked)
        if named:
            index = X.index
        elif len(covariates) == len(values):
            index = covariates.index
        else:
            raise TableError(
                f"X is an array of {len(values)} cases and is joined to covariates by position, "
                f"got covariates of {len(covariates)} cases; give X as a DataFrame to join by index"
            )
        # Text is iterated many times faster as objects than as Arrow strings.
        names = unnamed_features(values.shape[1])
        if named:
            names = [str(name) for name in X.columns.tolist()]
        columns = pd.Index(names, dtype=object)
        features = pd.DataFrame(values, index=index, columns=columns, copy=False)
        return FeatureTable.join(features, covariates, source="X")

    def _apply(self, table: FeatureTable, X: ArrayLike) -> FeatureTable:
        del X
        return self.model_.apply(table)

    def _choices(self) -> dict[str, Any]:
        """Return the choices of every ComBat, in the form of a configuration."""
        chosen = cast(dict[str, Any], cast(Any, self).get_params(deep=False))
        preserve = chosen["preserve"]
        if preserve is not None and not isinstance(preserve, str):
            chosen["preserve"] = list_formula(preserve) or None
        for name in ("categorical", "smooth", "batches"):
            if name in chosen:
                chosen[name] = as_tuple(chosen[name])
        return chosen

    def _configured(self, kind: type[ConfigKind], choices: dict[str, Any]) -> ConfigKind:
        """Return the choices as a configuration of ``kind``, or say which is not possible."""
        try:
            return kind(**choices)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"{type(self).__name__}: {name}: {first['msg']}, got {first['input']!r}"
            ) from error

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted yet; call fit(X, covariates=...) first"
            )

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "model_", None) is not None

    def __sklearn_tags__(self) -> Any:
        tags = cast(Any, super().__sklearn_tags__())
        tags.input_tags.allow_nan = self._takes_missing()
        return tags

    def _takes_missing(self) -> bool:
        """Tell whether a fit may have missing cells."""
        return True


def _is_of_floats(frame: pd.DataFrame) -> bool:
    return frame.size > 0 and set(frame.dtypes.tolist()) == {np.dtype(np.float64)}


@lru_cache(maxsize=2)
def unnamed_features(count: int) -> tuple[str, ...]:
    """Return the names scikit-learn gives the features of an array: x0, x1 ..."""
    return tuple(f"x{number}" for number in range(count))


def as_tuple(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return names given as a sequence, as one name, or not at all."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)
