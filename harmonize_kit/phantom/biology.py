"""Cases of a simulated table, and what their biology does to the features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.phantom.curves import AgeCurves, draw_age_curves
from harmonize_kit.phantom.people import SEXES, Person, allocate, draw_age
from harmonize_kit.phantom.site_effects import draw_loadings

GROUPS = ("control", "patient")

# Kind of feature: mean, coefficient of variation between features, SD relative to the mean.
KINDS = {
    "volume": (1.0e4, 0.4, 0.10),  # mm3
    "thickness": (2.5, 0.1, 0.06),  # mm
    "texture": (0.5, 0.2, 0.10),  # dimensionless
}


@dataclass(frozen=True)
class Cases:
    """The cases of a table: rows of ``columns``; travelling subjects have one a site.

    Parameters
    ----------
    columns : DataFrame
        Covariates as text, by case id.
    site, subject : ndarray of int, shape (n_cases,)
        Position of site and of subject.
    """

    columns: pd.DataFrame
    site: NDArray[np.intp]
    subject: NDArray[np.intp]


@dataclass(frozen=True)
class Biology:
    """What each case is, apart from its scanner; shapes as in the attributes of the same names.

    ``expected`` (n_cases, n_features) is in the units of the features, ``latent`` (n_cases,
    n_factors) and ``unique`` (n_cases, n_features) are standard normal.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    sex: NDArray[np.float64]
    group: NDArray[np.float64]
    curves: AgeCurves
    loadings: NDArray[np.float64]
    expected: NDArray[np.float64]
    latent: NDArray[np.float64]
    unique: NDArray[np.float64]
    reliability: float

    def deviation(
        self, loadings: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return a case's deviation from what is expected of it, in SDs, (n_cases, n_features).

        Latent factors and unique parts make the subject (variance 1), measurement noise is added
        so that reliability is the share of the subject: variance is 1 for any loadings.
        """
        rest = np.sqrt(1.0 - np.sum(loadings**2, axis=1))
        person = self.latent @ loadings.T + rest * self.unique
        return np.sqrt(self.reliability) * person + np.sqrt(1.0 - self.reliability) * noise

    def take(self, rows: NDArray[np.intp]) -> Biology:
        """Return the biology of some cases."""
        return replace(
            self,
            expected=self.expected[rows],
            latent=self.latent[rows],
            unique=self.unique[rows],
        )


def draw_cases(config: TablePhantomConfig, rng: np.random.Generator) -> Cases:
    """Draw who is measured where; travelling subjects come last, site after site."""
    sites, single, travelling = config.sites, config.subjects, config.travelling
    home = allocate(single, sites, config.site_weights, rng)
    age = draw_age(home, sites, config.age_range, config.confounding, rng.random(single))
    # A traveller belongs to no site, so its age comes from the whole range.
    wide = draw_age(np.zeros(travelling, np.intp), 1, config.age_range, 0.0, rng.random(travelling))
    sexes = [SEXES[int(draw)] for draw in rng.integers(0, 2, single + travelling)]
    groups = [GROUPS[int(draw)] for draw in rng.integers(0, 2, single + travelling)]
    age = np.concatenate([age, wide])

    subject = np.concatenate([np.arange(single), np.repeat(single + np.arange(travelling), sites)])
    site = np.concatenate([home, np.tile(np.arange(sites), travelling)])
    names = site_names(sites)
    rows: dict[str, dict[str, str]] = {}
    for who, where in zip(map(int, subject), map(int, site), strict=True):
        traveller = who >= single
        name = f"trav-{who - single + 1:03d}" if traveller else f"sub-{who + 1:04d}"
        person = Person(name, names[where], float(age[who]), sexes[who], groups[who])
        rows[f"{name}_{names[where]}" if traveller else name] = person.columns()
    index = pd.Index(list(rows), name="id")
    columns = pd.DataFrame(list(rows.values()), index=index, dtype=object)
    return Cases(columns, site, subject)


def draw_biology(config: TablePhantomConfig, cases: Cases, rng: np.random.Generator) -> Biology:
    """Draw features, their effects, and the subjects' deviations."""
    names = feature_names(config.features)
    mean, sd = _units(names, rng)
    curves = draw_age_curves(names, config.age_effect, config.age_range, rng)
    sex = config.sex_effect * rng.standard_normal(config.features)
    # Effects of group are few and clear, so that hits and false alarms can be counted.
    affected = rng.permutation(config.features) < round(config.group_share * config.features)
    signed = rng.choice([-1.0, 1.0], config.features) * rng.uniform(0.75, 1.25, config.features)
    group = config.group_effect * signed * affected
    loadings = draw_loadings(config.features, config.factors, config.communality, rng)

    subjects = config.subjects + config.travelling
    latent = rng.standard_normal((subjects, config.factors))[cases.subject]
    unique = rng.standard_normal((subjects, config.features))[cases.subject]
    columns = cases.columns
    effect = (
        curves.at(columns["age"].to_numpy(dtype=np.float64)).to_numpy()
        + np.outer(columns["sex"].to_numpy() == SEXES[1], sex)
        + np.outer(columns["group"].to_numpy() == GROUPS[1], group)
    )
    return Biology(
        mean=mean,
        sd=sd,
        sex=sex,
        group=group,
        curves=curves,
        loadings=loadings,
        expected=mean + sd * effect,
        latent=latent,
        unique=unique,
        reliability=config.reliability,
    )


def site_names(sites: int) -> list[str]:
    """Return the names of the sites: site-1, site-2 ..."""
    return [f"site-{number}" for number in range(1, sites + 1)]


def feature_names(features: int) -> tuple[str, ...]:
    """Return names that tell the kind of each feature: volume_001, thickness_002 ..."""
    kinds = list(KINDS)
    return tuple(f"{kinds[i % len(kinds)]}_{i + 1:03d}" for i in range(features))


def _units(
    names: tuple[str, ...], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the mean and within-site SD of each feature in its own unit, shape (n_features,)."""
    mean, sd = np.empty(len(names)), np.empty(len(names))
    for i, name in enumerate(names):
        typical, spread, relative = KINDS[name.split("_")[0]]
        mean[i] = typical * np.exp(spread * rng.standard_normal())
        sd[i] = mean[i] * relative * np.exp(0.2 * rng.standard_normal())
    return mean, sd
