"""Which slices make a batch: those of two sites whose subjects are alike.

Where patients are older at one site, a network that is to make its images look like the other's
learns to make them look younger. Batches are therefore matched: the reference's case is drawn with
a probability that falls with its distance in the declared covariates (Roca et al. 2025 draw by age
for the same reason) and in its load of lesions. Slices with a lesion are joined by slices with one
of about the same area, slices without by slices without, which keeps a network from learning
prevalence (Cohen et al. 2018). A slice of one head is joined by one of about the same height of the
other, so that a discriminator compares like with like.

The draw of a step depends on the seed and the step alone: a run that is taken up again draws what
it would have drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.informative import InformativeSlices, informative_slices
from harmonize_kit.translation.places import places_along
from harmonize_kit.translation.store import SliceStore, StoredCase

# How far apart in height slices of a pair lie (a standard deviation), as a share of the head's.
HEIGHTS_APART = 1 / 32
# Loads below a ten-thousandth of the head (a tenth of a millilitre of a brain) count as none.
LEAST_LOAD = 1e-4
# Below this, chances cannot be made to add up to 1.
LEAST_CHANCE = 1e-100
LOAD = "lesion load"
Drawn = list[tuple[StoredCase, int]]
Described = Mapping[str, float | str]


@dataclass(frozen=True)
class Matching:
    """Draws of matched slices.

    Parameters
    ----------
    store : SliceStore
    reference : str
    alike : mapping of str to ndarray, shape (cases of the site, cases of the reference)
        By site: the probability of each case of the reference, given one of the site.
    slices : mapping of str to InformativeSlices
        By case of the store.
    seed : int
    same_place : bool
        Whether slices of a pair lie at about the same height of their heads.
    """

    store: SliceStore
    reference: str
    alike: dict[str, NDArray[np.float64]]
    slices: Mapping[str, InformativeSlices]
    seed: int
    same_place: bool = True

    def cases_of(self, site: str) -> list[StoredCase]:
        """Return the cases of a site: the rows, or columns, of ``alike``."""
        return _cases_of(self.store, site)

    def draw(self, site: str, step: int, part: int, count: int) -> tuple[Drawn, Drawn]:
        """Return ``count`` slices of ``site`` and as many of the reference, pair by pair matched.

        ``part`` tells the batches of one step apart.
        """
        rng = np.random.default_rng([self.seed, step, part])
        theirs, ours = self.cases_of(site), self.cases_of(self.reference)
        drawn: tuple[Drawn, Drawn] = ([], [])
        for _ in range(count):
            row = int(rng.integers(len(theirs)))
            case = theirs[row]
            number = int(rng.choice(self.slices[case.id].numbers))
            drawn[0].append((case, number))
            area = self.slices[case.id].area_of(number)
            pools, likeness = zip(*(self.slices[o.id].like(area) for o in ours), strict=True)
            usable = self.alike[site][row] * np.array(likeness)
            if usable.sum() < LEAST_CHANCE:
                # Nobody alike shows the like: then alike in all but the lesion.
                pools, usable = [self.slices[o.id].numbers for o in ours], self.alike[site][row]
            chosen = int(rng.choice(len(ours), p=usable / usable.sum()))
            other, pool = ours[chosen], pools[chosen]
            chances = _at_height(case, number, other, pool) if self.same_place else None
            drawn[1].append((other, int(rng.choice(pool, p=chances))))
        return drawn


def match(
    store: SliceStore, reference: str, bandwidth: float, seed: int, *, same_place: bool = True
) -> Matching:
    """Prepare matched draws.

    Continuous covariates, and where there are lesions the logarithm of their share of the head,
    are compared in units of their standard deviation over all cases, by a Gaussian kernel of
    ``bandwidth``; text must be equal.

    Raises
    ------
    ConfigError
        If a case shows nothing of the head, or no case of the reference is like one of a site.
    """
    slices = {case.id: informative_slices(store, case) for case in store.cases}
    told: dict[str, Described] = {
        name: {case.id: case.covariates[name] for case in store.cases}
        for name in store.cases[0].covariates
    }
    if any(own.load > 0 for own in slices.values()):
        told[LOAD] = {
            name: float(np.log10(max(own.load, LEAST_LOAD))) for name, own in slices.items()
        }
    ours = _cases_of(store, reference)
    alike = {
        site: _alikeness(told, _cases_of(store, site), ours, bandwidth)
        for site in store.sites
        if site != reference
    }
    return Matching(store, reference, alike, slices, seed, same_place)


def _at_height(
    case: StoredCase, number: int, other: StoredCase, pool: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the chance of each slice of ``pool``, by how far in height it is from a case's slice.

    Heights are those of :mod:`.places`: shares of each head's own bounding box.
    """
    (height,) = places_along(case.box, 0, number, number + 1)
    heights = places_along(other.box, 0, 0, other.count)[pool]
    # Places run from -1 to 1, two for the whole height.
    log_weights = -0.5 * ((heights.astype(float) - float(height)) / (2 * HEIGHTS_APART)) ** 2
    # However far the nearest is, it is drawn.
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _cases_of(store: SliceStore, site: str) -> list[StoredCase]:
    return [case for case in store.cases if case.site == site]


def _alikeness(
    told: Mapping[str, Described], theirs: Sequence[StoredCase], ours: Sequence[StoredCase],
    bandwidth: float,
) -> NDArray[np.float64]:  # fmt: skip
    log_weights = np.zeros((len(theirs), len(ours)))
    for values in told.values():
        a, b = ([values[case.id] for case in cases] for cases in (theirs, ours))
        if any(isinstance(value, str) for value in values.values()):
            equal = np.array([[x == y for y in b] for x in a])
            log_weights[~equal] = -np.inf
            continue
        spread = float(np.std(np.array(list(values.values()), float)))
        if spread > 0:
            apart = (np.array(a, float)[:, None] - np.array(b, float)) / (spread * bandwidth)
            log_weights -= 0.5 * apart**2
    alone = ~np.isfinite(log_weights).any(axis=1)
    if alone.any():
        case = theirs[int(np.flatnonzero(alone)[0])]
        raise ConfigError(
            f"no case of site '{ours[0].site}' is like case {case.id} of '{case.site}' in "
            f"{', '.join(case.covariates)}; match on fewer covariates, or leave such cases out"
        )
    log_weights -= log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights)
    return weights / weights.sum(axis=1, keepdims=True)
