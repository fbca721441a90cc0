"""Which slices make a batch: those of two sites whose subjects are alike.

Where patients are older at one site, a network that is to make its images look like the other's
learns to make them look younger. Batches are therefore matched: the reference's case is drawn with
a probability that falls with its distance in the declared covariates (Roca et al. 2025 draw by age
for the same reason), and slices with a lesion are joined by slices with one, slices without by
slices without, which keeps a network from learning prevalence (Cohen et al. 2018).

The draw of a step depends on the seed and the step alone: a run that is taken up again draws what
it would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.store import INSIDE, LESION, SliceStore, StoredCase

# A slice that shows less of the head than this teaches little.
SMALLEST_SHARE = 0.05
Drawn = list[tuple[StoredCase, int]]


@dataclass(frozen=True)
class Matching:
    """Draws of matched slices.

    Parameters
    ----------
    store : SliceStore
    reference : str
    alike : mapping of str to ndarray, shape (cases of the site, cases of the reference)
        By site: the probability of each case of the reference, given one of the site.
    informative : mapping of str to ndarray of int
        By case of the store, its slices that show enough of the head.
    lesioned, plain : mapping of str to ndarray of int
        Those of them that show a lesion, and those that do not.
    seed : int
    """

    store: SliceStore
    reference: str
    alike: dict[str, NDArray[np.float64]]
    informative: dict[str, NDArray[np.int64]]
    lesioned: dict[str, NDArray[np.int64]]
    plain: dict[str, NDArray[np.int64]]
    seed: int

    def draw(self, site: str, step: int, part: int, count: int) -> tuple[Drawn, Drawn]:
        """Return ``count`` slices of ``site`` and as many of the reference, pair by pair matched.

        ``part`` tells the batches of one step apart.
        """
        rng = np.random.default_rng([self.seed, step, part])
        theirs, ours = _cases_of(self.store, site), _cases_of(self.store, self.reference)
        drawn: tuple[Drawn, Drawn] = ([], [])
        for _ in range(count):
            row = int(rng.integers(len(theirs)))
            case = theirs[row]
            number = int(rng.choice(self.informative[case.id]))
            drawn[0].append((case, number))
            pool = self.lesioned if number in self.lesioned[case.id] else self.plain
            chances = self.alike[site][row]
            usable = chances * np.array([len(pool[other.id]) > 0 for other in ours])
            if usable.sum() == 0:
                # Nobody alike shows the like: then alike in all but the lesion.
                pool, usable = self.informative, chances
            other = ours[int(rng.choice(len(ours), p=usable / usable.sum()))]
            drawn[1].append((other, int(rng.choice(pool[other.id]))))
        return drawn


def match(store: SliceStore, reference: str, bandwidth: float, seed: int) -> Matching:
    """Prepare matched draws.

    Continuous covariates are compared in units of their standard deviation over all cases, by a
    Gaussian kernel of ``bandwidth``; text must be equal.

    Raises
    ------
    ConfigError
        If a case shows too little of the head, or no case of the reference is like one of a site.
    """
    informative: dict[str, NDArray[np.int64]] = {}
    lesioned: dict[str, NDArray[np.int64]] = {}
    for case in store.cases:
        masks = store.masks[case.first : case.first + case.count]
        share = (masks >= INSIDE).mean(axis=(1, 2))
        informative[case.id] = np.flatnonzero(share >= SMALLEST_SHARE)
        if not len(informative[case.id]):
            raise ConfigError(
                f"case {case.id}: no slice shows at least {SMALLEST_SHARE:.0%} of the head; is its "
                "mask right?"
            )
        has_lesion = (masks == LESION).any(axis=(1, 2))
        lesioned[case.id] = np.intersect1d(informative[case.id], np.flatnonzero(has_lesion))
    ours = _cases_of(store, reference)
    alike = {
        site: _alikeness(store, _cases_of(store, site), ours, bandwidth)
        for site in store.sites
        if site != reference
    }
    plain = {key: np.setdiff1d(informative[key], lesioned[key]) for key in informative}
    return Matching(store, reference, alike, informative, lesioned, plain, seed)


def _cases_of(store: SliceStore, site: str) -> list[StoredCase]:
    return [case for case in store.cases if case.site == site]


def _alikeness(
    store: SliceStore, theirs: Sequence[StoredCase], ours: Sequence[StoredCase], bandwidth: float
) -> NDArray[np.float64]:
    log_weights = np.zeros((len(theirs), len(ours)))
    for name in store.cases[0].covariates:
        values = [case.covariates.get(name) for case in store.cases]
        a, b = ([case.covariates[name] for case in cases] for cases in (theirs, ours))
        if any(isinstance(value, str) for value in values):
            equal = np.array([[x == y for y in b] for x in a])
            log_weights[~equal] = -np.inf
            continue
        spread = float(np.std(np.array(values, float)))
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
