"""In what sites differ beside the look of their images: lesions and covariates.

Whatever tells two sites apart, a network learns to translate (Cohen et al. 2018), so this is asked
before it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.translation.matching import Matching
from harmonize_kit.translation.store import SliceStore

Values = Sequence[float | str]
Weights = NDArray[np.float64]
LESIONS = "cases with a lesion"


@dataclass(frozen=True)
class SiteDifference:
    """A difference between a site and the reference.

    Parameters
    ----------
    what : str
        Lesions, or a covariate with its level where it is text.
    site, reference : str
    here, there : float
        Shares, or means, at the site and at the reference.
    difference : float
        Of shares; of means in pooled standard deviations.
    of_shares : bool
    matched : bool
        Whether as batches are drawn, or as the cohort is.
    """

    what: str
    site: str
    reference: str
    here: float
    there: float
    difference: float
    of_shares: bool
    matched: bool = False

    def sentence(self, bound: float) -> str:
        """Return the difference as a sentence, with the bound it is held to."""
        drawn = ", though batches are matched on it" if self.matched else ""
        if self.of_shares:
            return (
                f"{self.what}: {self.here:.0%} at site '{self.site}' and {self.there:.0%} at "
                f"'{self.reference}'{drawn} (at most {bound:.0%} apart)"
            )
        return (
            f"{self.what}: mean {self.here:.4g} at site '{self.site}' and {self.there:.4g} at "
            f"'{self.reference}'{drawn}, {self.difference:.2g} standard deviations apart (at most "
            f"{bound:g})"
        )


def lesion_differences(store: SliceStore, reference: str) -> list[SiteDifference]:
    """Return, for each site, how its share of cases with a lesion differs from the reference's."""
    shares = {
        site: float(np.mean([c.lesion_voxels > 0 for c in store.cases if c.site == site]))
        for site in store.sites
    }
    there = shares[reference]
    return [
        SiteDifference(LESIONS, site, reference, here, there, abs(here - there), of_shares=True)
        for site, here in shares.items()
        if site != reference
    ]


def matched_differences(matching: Matching) -> list[SiteDifference]:
    """Return how sites differ from the reference in what batches are matched on, as drawn.

    A case of the reference counts as often as it is drawn, given that each case of the site is
    drawn equally often.
    """
    store, reference = matching.store, matching.reference
    found: list[SiteDifference] = []
    for site, alike in matching.alike.items():
        cases = {s: [c for c in store.cases if c.site == s] for s in (site, reference)}
        for name in store.cases[0].covariates:
            here, there = ([c.covariates[name] for c in cases[s]] for s in (site, reference))
            found.append(
                covariate_difference(name, site, reference, here, there, alike.mean(axis=0))
            )
    return found


def covariate_differences(
    name: str, values: Mapping[str, Values], reference: str
) -> list[SiteDifference]:
    """Return how sites differ from the reference in a covariate, ``values`` being by site."""
    return [
        covariate_difference(name, site, reference, own, values[reference])
        for site, own in values.items()
        if site != reference
    ]


def covariate_difference(
    name: str,
    site: str,
    reference: str,
    here: Values,
    there: Values,
    drawn: Weights | None = None,
) -> SiteDifference:
    """Return how a site differs from the reference in one covariate.

    Numbers: the difference of means in units of the root mean square of both standard deviations
    as the cohort is (Austin 2009, Stat Med 28:3083); where neither site varies, in units of the
    standard deviation of all. Text: the largest difference of a level's share.

    Parameters
    ----------
    drawn : ndarray, shape (len(there),), optional
        How often each case of the reference is drawn, adding up to 1; without, equally.
    """
    weights = np.full(len(there), 1 / len(there)) if drawn is None else drawn
    matched = drawn is not None
    if any(isinstance(value, str) for value in (*here, *there)):
        levels = sorted({str(value) for value in (*here, *there)})
        shares = {
            level: (
                float(np.mean([str(value) == level for value in here])),
                float(weights @ np.array([str(value) == level for value in there])),
            )
            for level in levels
        }
        level = max(levels, key=lambda name: abs(shares[name][0] - shares[name][1]))
        a, b = shares[level]
        return SiteDifference(
            f"{name} {level}", site, reference, a, b, abs(a - b), of_shares=True, matched=matched
        )
    x, y = np.array(here, dtype=float), np.array(there, dtype=float)
    unit = float(np.sqrt((x.var() + y.var()) / 2)) or float(np.concatenate([x, y]).std()) or 1.0
    a, b = float(x.mean()), float(weights @ y)
    return SiteDifference(
        name, site, reference, a, b, abs(a - b) / unit, of_shares=False, matched=matched
    )
