"""A fitted ComBat: frozen configuration, learned state, and nothing of any single subject."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import HarmonizeWarning, TableError, UnseenSiteError, did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FittedComBat:
    """What :meth:`ComBatHarmonizer.fit` learned.

    Parameters
    ----------
    config : ComBatConfig
    design : CovariateDesign
    features : tuple of str
        Names of the p features.
    sites : tuple of str
        Names of the k sites.
    counts : tuple of int
        Training cases of each site.
    passed_through : ndarray of bool, shape (p,)
        Features without variance in some site, which are returned as they came.
    grand_mean, pooled_sd : ndarray, shape (p,)
        See :class:`~harmonize_kit.combat.location_scale.Standardisation`.
    coefficients : ndarray, shape (q, p)
        Covariate effects on the centred and scaled design.
    location, scale : ndarray, shape (k, p)
        Shrunken site effects on standardised features: additive, and variance.
    raw_location, raw_scale : ndarray, shape (k, p)
        The same before shrinkage.
    """

    config: ComBatConfig
    design: CovariateDesign
    features: tuple[str, ...]
    sites: tuple[str, ...]
    counts: tuple[int, ...]
    passed_through: NDArray[np.bool_]
    grand_mean: Array
    pooled_sd: Array
    coefficients: Array
    location: Array
    scale: Array
    raw_location: Array
    raw_scale: Array

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return the table with the site effect taken out.

        Features, sites and covariates are found by name, so rows and columns may come in any
        order, from any of the fitted sites; one patient suffices. A missing cell stays missing.

        Raises
        ------
        UnseenSiteError
            If a case comes from a site the model was not fitted on.
        TableError
            If a feature of the model is absent.
        CovariateError
            If a covariate of the model is absent, missing, or holds an unknown level.
        """
        source = table.source
        frame = self._own_features(table)
        codes = self.site_codes(table.covariates, source)
        covariates = self.design.matrix(table.covariates, source)
        values = frame.to_numpy(dtype=np.float64)
        harmonized = self.transform(values, codes, covariates)
        result = pd.DataFrame(harmonized, index=frame.index, columns=frame.columns)
        kept = [name for name in table.names if name in result.columns]
        return replace(table, features=result[kept])

    def transform(self, values: Array, codes: NDArray[np.int_], covariates: Array) -> Array:
        """Return harmonized values, shape (n, p), in the feature order of the model.

        Equation (9) of Fortin et al. 2018: the standardised residual loses the site's location
        and scale, then mean and covariate effects are put back.

        Parameters
        ----------
        values : ndarray, shape (n, p)
        codes : ndarray of int, shape (n,)
            Position of each case's site in ``sites``.
        covariates : ndarray, shape (n, q)
            From :meth:`CovariateDesign.matrix`.
        """
        mean = self.grand_mean + covariates @ self.coefficients
        root = np.sqrt(self.scale)
        harmonized = (values - mean - self.location[codes] * self.pooled_sd) / root[codes] + mean
        untouched = np.zeros(values.shape, dtype=np.bool_) | self.passed_through
        if self.config.reference is not None:
            untouched |= (codes == self.sites.index(self.config.reference))[:, None]
        return np.where(untouched, values, harmonized)

    def site_codes(self, covariates: pd.DataFrame, source: str) -> NDArray[np.int_]:
        """Return the position of each case's site in ``sites``, shape (n,)."""
        named = text_column(covariates, self.config.site, source)
        position = {name: code for code, name in enumerate(self.sites)}
        unseen = sorted(set(named) - set(position))
        if unseen:
            rows = [str(case) for case in named.index[named == unseen[0]]]
            raise UnseenSiteError(
                f"{source}: the model was fitted on sites {', '.join(self.sites)}, got "
                f"'{unseen[0]}' at id '{rows[0]}' ({len(rows)} of {len(named)} cases); "
                "fit a model that includes it, leave its cases out, or keep them (--unseen keep)"
            )
        return np.array([position[name] for name in named], dtype=np.int_)

    def _own_features(self, table: FeatureTable) -> pd.DataFrame:
        missing = [name for name in self.features if name not in table.features.columns]
        if missing:
            raise TableError(
                f"{table.source}: the model was fitted on {len(self.features)} features, "
                f"{len(missing)} of them are absent, the first is '{missing[0]}'. "
                f"{did_you_mean(missing[0], table.names)}"
            )
        extra = [name for name in table.names if name not in set(self.features)]
        if extra:
            warnings.warn(
                f"{table.source}: {len(extra)} features the model does not know are left out of "
                f"the result, the first is '{extra[0]}'",
                HarmonizeWarning,
                stacklevel=3,
            )
        return table.features[list(self.features)]
