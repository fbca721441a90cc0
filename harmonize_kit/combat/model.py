"""A fitted ComBat: frozen configuration, learned state, and nothing of any single subject."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.adaptation import learn_sites
from harmonize_kit.combat.covariate_values import CovariateValues
from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.effects import BLOCK
from harmonize_kit.combat.sums import rows_by_site
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import HarmonizeWarning, TableError, UnseenSiteError, did_you_mean

Array = NDArray[np.float64]

SLACK = 0.1


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
    adapted : tuple of str
        Sites that were learned against this model after it was fitted.
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
    adapted: tuple[str, ...] = ()

    def apply(self, table: FeatureTable, out: Array | None = None) -> FeatureTable:
        """Return the table with the site effect taken out.

        Features, sites and covariates are found by name, so rows and columns may come in any
        order, from any of the fitted sites; one patient suffices. A missing cell stays missing.
        Cases far beyond the training range of a covariate are told by id.

        Parameters
        ----------
        table : FeatureTable
        out : ndarray, shape (n, p), optional
            Where to write the harmonized values, in the feature order of the model.

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
        frame = self.own_features(table)
        codes = self.site_codes(table.covariates, source)
        known = self.design.read(table.covariates, source)
        covariates = self.design.columns(known, source)
        self.tell_extrapolation(table, known)
        harmonized = self.transform(frame.to_numpy(dtype=np.float64), codes, covariates, out)
        return with_harmonized(table, frame, harmonized)

    def transform(
        self,
        values: Array,
        codes: NDArray[np.int_],
        covariates: Array,
        out: Array | None = None,
    ) -> Array:
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
        out : ndarray, shape (n, p), optional
            Where to write; ``values`` itself is allowed.
        """
        out = np.empty(values.shape) if out is None else out
        reference = self.config.reference
        rows = rows_by_site(codes, len(self.sites))
        known = np.column_stack([covariates, np.ones(len(covariates))])
        step = max(1, BLOCK // max(len(values), 1))
        for start in range(0, values.shape[1], step):
            own = slice(start, start + step)
            part, target = values[:, own], out[:, own]
            passed = np.flatnonzero(self.passed_through[own])
            untouched = part[:, passed]
            for code, at in enumerate(rows):
                if not len(at):
                    continue
                cells = part[at]
                if self.sites[code] != reference:
                    factor, effects = self._affine(code, own)
                    cells *= factor
                    cells += known[at] @ effects
                target[at] = cells
            target[:, passed] = untouched
        return out

    def _affine(self, code: int, own: slice) -> tuple[Array, Array]:
        """Return a site's factor, (p,), and its effects on covariates and a one, (q + 1, p).

        With m the mean at a case's covariates, l the site's shift and f = 1 / sqrt(scale), (9) is
        (y - m - l) f + m = f y + (1 - f) m - f l.
        """
        factor = 1 / np.sqrt(self.scale[code, own])
        shift = factor * self.location[code, own] * self.pooled_sd[own]
        effects = np.vstack([self.coefficients[:, own], self.grand_mean[own]]) * (1 - factor)
        effects[-1] -= shift
        return factor, effects

    def adapt(self, table: FeatureTable) -> FittedComBat:
        """Learn the sites of ``table`` that the model does not know; the rest stays frozen.

        Means, covariate effects and pooled variances are those of the model. The new site's
        location and scale are those of its standardised residuals, shrunken over its own features:
        what ``predict`` of R's ComBatFamily gives. Cases of known sites take no part.

        Raises
        ------
        DesignError
            If the table holds no new site, or a new site of one case would not be shrunken.
        TableError, CovariateError
            See :meth:`apply`.
        """
        return learn_sites(self, table)

    def is_known(self, table: FeatureTable) -> NDArray[np.bool_]:
        """Tell which cases come from sites of the model, shape (n,)."""
        return table.text(self.config.site).isin(self.sites).to_numpy()

    def beyond(self, table: FeatureTable) -> dict[str, NDArray[np.bool_]]:
        """Tell which cases lie outside the training range of each covariate, shape (n,)."""
        return self.design.beyond(self.design.read(table.covariates, table.source))

    def site_codes(self, covariates: pd.DataFrame, source: str) -> NDArray[np.int_]:
        """Return the position of each case's site in ``sites``, shape (n,)."""
        named = text_column(covariates, self.config.site, source)
        position = {name: code for code, name in enumerate(self.sites)}
        names: list[str] = named.tolist()
        unseen = sorted(set(names) - set(position))
        if unseen:
            rows = [str(case) for case in named.index[named == unseen[0]]]
            raise UnseenSiteError(
                f"{source}: the model was fitted on sites {', '.join(self.sites)}, got "
                f"'{unseen[0]}' at id '{rows[0]}' ({len(rows)} of {len(named)} cases); teach it to "
                "the model (adapt), leave its cases out, or keep them (--unseen keep)"
            )
        return np.array([position[name] for name in names], dtype=np.int_)

    def tell_extrapolation(
        self, table: FeatureTable, values: CovariateValues | None = None
    ) -> None:
        """Warn of the cases that lie well beyond the training range of some covariate, by id.

        In a cross-validation some case is always a little outside: a tenth of the range is let
        pass here, and told by :meth:`CovariateDesign.beyond`.
        """
        known = self.design.read(table.covariates, table.source) if values is None else values
        found = self.design.beyond(known, SLACK)
        for name, flags in found.items():
            if flags.any():
                ids = [table.ids[row] for row in np.flatnonzero(flags)]
                low, high = self.design.ranges[name]
                more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
                warnings.warn(
                    f"{table.source}: '{name}' lies far beyond the training range ({low:g} to "
                    f"{high:g}) at id {', '.join(repr(case) for case in ids[:5])}{more}; its "
                    "effect is extrapolated there",
                    HarmonizeWarning,
                    stacklevel=3,
                )

    def own_features(self, table: FeatureTable) -> pd.DataFrame:
        """Return the features of the model in its order; others are left out, and said."""
        if tuple(table.features.columns) == self.features:
            return table.features
        self.known_features(table.names, table.source)
        return table.features[list(self.features)]

    def known_features(self, names: Sequence[str], source: str) -> list[str]:
        """Return which of ``names`` the model knows, in their order; others are told.

        Raises
        ------
        TableError
            If a feature of the model is not among them.
        """
        held, known = set(names), set(self.features)
        missing = [name for name in self.features if name not in held]
        if missing:
            raise TableError(
                f"{source}: the model was fitted on {len(self.features)} features, "
                f"{len(missing)} of them are absent, the first is '{missing[0]}'. "
                f"{did_you_mean(missing[0], names)}"
            )
        extra = [name for name in names if name not in known]
        if extra:
            warnings.warn(
                f"{source}: {len(extra)} features the model does not know are left out of "
                f"the result, the first is '{extra[0]}'",
                HarmonizeWarning,
                stacklevel=4,
            )
        return [name for name in names if name in known]

    def of(self, columns: slice | NDArray[np.int_]) -> FittedComBat:
        """Return the same model of some of its features, by position."""
        return replace(
            self,
            features=tuple(np.array(self.features, dtype=object)[columns]),
            passed_through=self.passed_through[columns],
            grand_mean=self.grand_mean[columns],
            pooled_sd=self.pooled_sd[columns],
            **{
                name: getattr(self, name)[:, columns]
                for name in ("coefficients", "location", "scale", "raw_location", "raw_scale")
            },
        )


def with_harmonized(table: FeatureTable, frame: pd.DataFrame, harmonized: Array) -> FeatureTable:
    """Return ``table`` with the values of ``frame`` replaced, in its own order of columns."""
    result = pd.DataFrame(harmonized, index=frame.index, columns=frame.columns, copy=False)
    if list(frame.columns) != table.names:
        known = set(frame.columns)
        result = result[[name for name in table.names if name in known]]
    return replace(table, features=result)
