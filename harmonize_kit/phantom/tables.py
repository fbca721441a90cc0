"""Feature tables with known truth: what sites did to them is stored beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom.biology import draw_biology, draw_cases, site_names
from harmonize_kit.phantom.curves import AgeCurves
from harmonize_kit.phantom.site_effects import (
    correlation,
    draw_scale,
    draw_shift,
    site_loadings,
)


@dataclass(frozen=True)
class TablePhantom:
    """A simulated multi-site table and everything that made it.

    Parameters
    ----------
    raw : FeatureTable
        As measured at the sites; columns subject, site, age, sex, group.
    truth : FeatureTable
        The same cases on one reference scanner, the average of the sites: same biology, same
        measurement noise.
    expected : DataFrame, shape (n_cases, n_features)
        What age, sex and group predict for each case, in the units of the feature.
    site_shift, site_scale : DataFrame, shape (n_sites, n_features)
        Additive effect in within-site SDs; multiplicative effect on the SD.
    feature_mean, feature_sd : Series
        Mean at mid-life of a female control, and within-site SD, in the units of the feature.
    sex_effect, group_effect : Series
        Male minus female and patient minus control, in within-site SDs.
    age_curves : AgeCurves
        In within-site SDs.
    loadings : mapping of str to ndarray, shape (n_features, n_factors)
        Factor loadings by site.
    config : TablePhantomConfig
    """

    raw: FeatureTable
    truth: FeatureTable
    expected: pd.DataFrame
    site_shift: pd.DataFrame
    site_scale: pd.DataFrame
    feature_mean: pd.Series[float]
    feature_sd: pd.Series[float]
    sex_effect: pd.Series[float]
    group_effect: pd.Series[float]
    age_curves: AgeCurves
    loadings: Mapping[str, NDArray[np.float64]]
    config: TablePhantomConfig

    @property
    def sites(self) -> list[str]:
        """Names of the sites, in order of rising age where site is confounded with age."""
        return [str(name) for name in self.site_shift.index]

    def undo_site(self, table: FeatureTable) -> FeatureTable:
        """Return cases of ``raw`` as the reference scanner would have measured them, exactly.

        Raises
        ------
        ConfigError
            If sites differ in correlations too: shift and scale then do not tell all.
        """
        if self.config.covariance > 0.0:
            raise ConfigError(
                "the site effect can be undone exactly only without a covariance effect, got "
                f"covariance = {self.config.covariance:g}; compare with truth instead"
            )
        at = [self.sites.index(site) for site in table.text("site")]
        shift = (self.site_shift * self.feature_sd).to_numpy(dtype=np.float64)[at]
        scale = self.site_scale.to_numpy(dtype=np.float64)[at]
        centre = self.centre(table.ids)
        return table.with_values(centre + (table.values - centre - shift) / scale)

    def centre(self, ids: list[str]) -> NDArray[np.float64]:
        """Return the values that a site's scale leaves in place, shape (len(ids), n_features)."""
        if self.config.scale_acts_on == "residual":
            return self.expected.loc[ids].to_numpy(dtype=np.float64)
        mean = self.feature_mean.to_numpy(dtype=np.float64)
        return np.ones((len(ids), 1)) * mean

    def correlation(self, site: str) -> pd.DataFrame:
        """Return the expected within-site correlation of the features at one site."""
        matrix = correlation(self.loadings[site], self.config.reliability)
        return pd.DataFrame(matrix, index=self.raw.names, columns=self.raw.names)


def simulate_table(
    config: TablePhantomConfig | None = None, seed: int | np.random.Generator = 0
) -> TablePhantom:
    """Simulate a multi-site feature table whose truth is known.

    With m and s the mean and SD of a feature, b what age, sex and group do (in SDs) and e a
    subject's deviation (mean 0, variance 1, correlated over features), the reference scanner
    measures ``m + s (b + e)`` and site i measures ``m + s (b + shift_i + scale_i e)``: the model
    of ComBat (Johnson, Li & Rabinovic 2007, Biostatistics 8:118; Fortin et al. 2018, NeuroImage
    167:104). People, biology, noise and sites draw from separate streams: changing a site setting
    leaves the truth as it was.

    Parameters
    ----------
    config : TablePhantomConfig, optional
    seed : int or Generator
        The same seed and settings give the same table.
    """
    config = TablePhantomConfig() if config is None else config
    people_rng, biology_rng, noise_rng, site_rng = np.random.default_rng(seed).spawn(4)
    cases = draw_cases(config, people_rng)
    biology = draw_biology(config, cases, biology_rng)
    noise = noise_rng.standard_normal((len(cases.site), config.features))

    counts = np.maximum(np.bincount(cases.site, minlength=config.sites), 1).astype(np.float64)
    shift = draw_shift(config.shift, config.features, counts, site_rng)
    scale = draw_scale(config.scale, config.features, counts, site_rng)
    loadings = site_loadings(biology.loadings, config.covariance, config.sites, site_rng)

    truth = biology.expected + biology.sd * biology.deviation(biology.loadings, noise)
    raw = np.empty_like(truth)
    for site in range(config.sites):
        at = np.flatnonzero(cases.site == site)
        here = biology.take(at)
        measured = here.expected + here.sd * here.deviation(loadings[site], noise[at])
        centre = here.expected if config.scale_acts_on == "residual" else here.mean
        raw[at] = centre + here.sd * shift[site] + scale[site] * (measured - centre)

    names = [*biology.curves.features]
    sites = site_names(config.sites)
    made_by = {"phantom": config.model_dump(), "seed": seed if isinstance(seed, int) else None}

    def table(values: NDArray[np.float64], source: str) -> FeatureTable:
        features = pd.DataFrame(values, index=cases.columns.index, columns=names)
        return FeatureTable(features, cases.columns, MappingProxyType(made_by), source)

    def series(values: NDArray[np.float64]) -> pd.Series[float]:
        return pd.Series(values, index=names)

    return TablePhantom(
        raw=table(raw, "simulated raw table"),
        truth=table(truth, "simulated true table"),
        expected=pd.DataFrame(biology.expected, index=cases.columns.index, columns=names),
        site_shift=pd.DataFrame(shift, index=sites, columns=names),
        site_scale=pd.DataFrame(scale, index=sites, columns=names),
        feature_mean=series(biology.mean),
        feature_sd=series(biology.sd),
        sex_effect=series(biology.sex),
        group_effect=series(biology.group),
        age_curves=biology.curves,
        loadings=MappingProxyType(dict(zip(sites, loadings, strict=True))),
        config=config,
    )
