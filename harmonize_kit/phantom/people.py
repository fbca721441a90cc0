"""Who is measured where: ages, sexes, groups, and the confounding of site with age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEXES = ("F", "M")


@dataclass(frozen=True)
class Person:
    """One subject as a covariate table knows it; ``group`` is a level such as ``patient``."""

    subject: str
    site: str
    age: float
    sex: str
    group: str

    def columns(self) -> dict[str, str]:
        """Return the covariates as text; reading the age back gives the same number."""
        return {
            "subject": self.subject,
            "site": self.site,
            "age": f"{self.age:.2f}",
            "sex": self.sex,
            "group": self.group,
        }


def draw_age(
    rank: NDArray[np.intp] | int,
    sites: int,
    age_range: tuple[float, float],
    confounding: float,
    uniform: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """Return ages in years, rounded to hundredths, confounded with site as strongly as asked.

    Site ``rank`` of ``sites`` draws from the quantiles between c r / k and 1 - c (k - 1 - r) / k
    of the whole age range, c being the strength. At 0 every site draws from the whole range; at 1
    the sites share it out without overlap, so that site and age cannot be told apart any more.

    Parameters
    ----------
    rank : int or ndarray of int, shape (n,)
        Position of the site, 0 to ``sites`` - 1.
    sites : int
    age_range : tuple of float
        In years.
    confounding : float
        Strength, 0 to 1.
    uniform : float or ndarray, shape (n,)
        Draws from [0, 1), one a subject.
    """
    position = np.asarray(rank, dtype=np.float64)
    low = confounding * position / sites
    high = 1.0 - confounding * (sites - 1 - position) / sites
    quantile = low + (high - low) * np.asarray(uniform)
    youngest, oldest = age_range
    return np.round(youngest + (oldest - youngest) * quantile, 2)


def allocate(
    subjects: int, sites: int, weights: Sequence[float], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the site of each subject, shape (subjects,), in random order.

    Site sizes follow the weights by largest remainder, so that they are what was asked for and
    not a multinomial draw around it.
    """
    share = np.asarray(weights if len(weights) else np.ones(sites), dtype=np.float64)
    quota = subjects * share / share.sum()
    size = np.floor(quota).astype(np.intp)
    missing = subjects - int(size.sum())
    size[np.argsort(size - quota, kind="stable")[:missing]] += 1
    return rng.permutation(np.repeat(np.arange(sites), size))
