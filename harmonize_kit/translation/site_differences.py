"""In what sites differ beside the look of their images: lesions and covariates.

Whatever tells two sites apart, a network learns to translate (Cohen et al. 2018), so this is asked
before it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.translation.matching import Matching
from harmonize_kit.translation.store import SliceStore

Values = Sequence[float | str]
Weights = NDArray[np.float64]
LESIONS = "cases with a lesion"
LOADS = "lesion load of cases with one"
# Of shares; of means, in pooled standard deviations; of geometric means, as a ratio of at least 1.
Measure = Literal["share", "mean", "ratio"]


@dataclass(frozen=True)
class SiteDifference:
    """A difference between a site and the reference.

    Parameters
    ----------
    what : str
        Lesions, their load, or a covariate with its level where it is text.
    site, reference : str
    here, there : float
        Shares, means or geometric means at the site and at the reference.
    difference : float
    measure : {"share", "mean", "ratio"}
        What ``difference`` is: that of shares, that of means in pooled standard deviations, or how
        many times one geometric mean is the other.
    matched : bool
        Whether as batches are drawn, or as the cohort is.
    """

    what: str
    site: str
    reference: str
    here: float
    there: float
    difference: float
    measure: Measure
    matched: bool = False

    def sentence(self, bound: float) -> str:
        """Return the difference as a sentence, with the bound it is held to."""
        drawn = ", though batches are matched on it" if self.matched else ""
        if self.measure == "share":
            return (
                f"{self.what}: {self.here:.0%} at site '{self.site}' and {self.there:.0%} at "
                f"'{self.reference}'{drawn} (at most {bound:.0%} apart)"
            )
        if self.measure == "ratio":
            return (
                f"{self.what}: typically {100 * self.here:.2g}% of the head at site '{self.site}' "
                f"and {100 * self.there:.2g}% at '{self.reference}'{drawn}, "
                f"{self.difference:.3g}-fold apart (at most {bound:g})"
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
        SiteDifference(LESIONS, site, reference, here, there, abs(here - there), "share")
        for site, here in shares.items()
        if site != reference
    ]


def load_differences(matching: Matching) -> list[SiteDifference]:
    """Return how many times larger lesions are at one of site and reference, as drawn.

    Sites are left out where either has no case with a lesion. Loads are shares of the head, and
    their means geometric: they run over orders of magnitude.
    """
    found: list[SiteDifference] = []
    reference = matching.reference
    for site, alike in matching.alike.items():
        here, there = (
            np.array([matching.slices[case.id].load for case in matching.cases_of(own)])
            for own in (site, reference)
        )
        if not here.any() or not there.any():
            continue
        chances = alike[np.ix_(here > 0, there > 0)]
        # Where nobody with a lesion is alike, all with one are as good.
        chances[chances.sum(axis=1) == 0] = 1
        drawn = (chances / chances.sum(axis=1, keepdims=True)).mean(axis=0)
        a, b = np.log(here[here > 0]).mean(), drawn @ np.log(there[there > 0])
        typical, ratio = (float(np.exp(a)), float(np.exp(b))), float(np.exp(abs(a - b)))
        found.append(SiteDifference(LOADS, site, reference, *typical, ratio, "ratio", matched=True))
    return found


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
            f"{name} {level}", site, reference, a, b, abs(a - b), "share", matched=matched
        )
    x, y = np.array(here, dtype=float), np.array(there, dtype=float)
    unit = float(np.sqrt((x.var() + y.var()) / 2)) or float(np.concatenate([x, y]).std()) or 1.0
    a, b = float(x.mean()), float(weights @ y)
    return SiteDifference(name, site, reference, a, b, abs(a - b) / unit, "mean", matched=matched)
