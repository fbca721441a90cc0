"""What sites agree on before any of them sends a sum."""

from __future__ import annotations

import itertools
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from harmonize_kit.config.combat import ComBatConfig

FEWEST = 3


class FederationPlan(ComBatConfig):
    """Choices of a federated fit: those of ComBat, and what a fit in one place would learn.

    Sums can be added only where every site makes them of the same columns. A fit in one place takes
    ranges, levels and knots from all cases; here they are agreed, from the protocol of the study or
    from public figures, so that nobody's smallest or largest value is sent.

    Parameters
    ----------
    features : tuple of str
        Shell patterns that choose the features; all columns of numbers otherwise.
    ranges : mapping of str to (float, float)
        Between which values each covariate of numbers lies, at every site.
    levels : mapping of str to tuple of str
        Levels of each categorical covariate; the first is the baseline.
    knots : mapping of str to tuple of float
        Inner knots of smooth covariates, upward; six evenly spaced ones otherwise.
    minimum_cases : int
        Fewest cases behind any sum: of a site, of a level at a site, and of what two of the columns
        have in common. Mean and variance of two cases are both of them, hence three at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    features: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    levels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    knots: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    minimum_cases: int = Field(default=5, ge=FEWEST)

    @model_validator(mode="after")
    def _follows_from_sums(self) -> Self:
        if self.robust:
            raise ValueError("a robust fit needs the cases themselves; leave 'robust' out")
        if self.smooth and self.smoothing == "neuroharmonize":
            raise ValueError(
                "neuroHarmonize's choice of smoothing needs the cases themselves; use 'reml'"
            )
        return self

    @model_validator(mode="after")
    def _covariates_are_possible(self) -> Self:
        both = sorted(set(self.ranges) & set(self.levels))
        if both:
            raise ValueError(f"'{both[0]}' has a range and levels; leave one of them out")
        for name, (low, high) in self.ranges.items():
            if not low < high:
                raise ValueError(f"range of '{name}': expected (low, high), got ({low}, {high})")
        for name, levels in self.levels.items():
            if len(levels) < 2 or len(set(levels)) < len(levels):
                raise ValueError(f"levels of '{name}': expected two or more different ones")
        for name in (*self.smooth, *self.knots):
            if name not in self.ranges or name not in self.smooth:
                raise ValueError(f"'{name}' must be named in both 'smooth' and 'ranges'")
        for name, knots in self.knots.items():
            ends = (self.ranges[name][0], *knots, self.ranges[name][1])
            if any(not a < b for a, b in itertools.pairwise(ends)):
                raise ValueError(f"knots of '{name}': expected them upward, inside its range")
        return self
