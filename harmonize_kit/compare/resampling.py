"""Draws over subjects: permutations for nulls, counts for bootstraps, and what is read off them.

The unit is the subject. Repeated cases of one subject are neither independent nor exchangeable
with those of another who has fewer, so permutations keep subjects whole where they can.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.core.scorecard import Null


class Estimate(NamedTuple):
    """A value with its uncertainty, not yet a score of anyone."""

    value: float
    interval: tuple[float, float] | None = None
    null: Null | None = None


def site_permutations(site: Ints, subject: Ints, count: int, seed: int) -> Ints:
    """Draw permutations of cases that break the tie between site and everything else.

    Subjects seen at one site only change places with others of as many cases, whole (whole-block
    exchange, Winkler et al. 2015, NeuroImage 123:253). Within a subject seen at several sites the
    cases change places: such a subject is its own control, and no site effect means that it does
    not matter where each scan was made. A subject whose number of cases nobody shares stays,
    which can only make the null wider than it need be.

    Returns
    -------
    ndarray of int, shape (count, n)
    """
    blocks: dict[Hashable, list[Ints]] = defaultdict(list)
    travelling: list[Ints] = []
    for rows in _rows_of(subject):
        if np.all(site[rows] == site[rows[0]]):
            blocks[len(rows)].append(rows)
        else:
            travelling.append(rows)
    return _draw(blocks, travelling, len(site), count, np.random.default_rng([seed, 1]))


def permutations_within_site(site: Ints, subject: Ints, count: int, seed: int) -> Ints:
    """Draw permutations that exchange whole subjects seen at the same sites equally often.

    Shape (count, n). They break the tie between features and a target but keep the one between
    site and target, so a null drawn with them says what site membership alone predicts.
    """
    blocks: dict[Hashable, list[Ints]] = defaultdict(list)
    for rows in _rows_of(subject):
        ordered = rows[np.argsort(site[rows], kind="stable")]
        blocks[tuple(site[ordered].tolist())].append(ordered)
    return _draw(blocks, [], len(site), count, np.random.default_rng([seed, 2]))


def bootstrap_weights(site: Ints, subject: Ints, count: int, seed: int) -> Floats:
    """Draw how often each case occurs in each bootstrap sample of subjects, shape (count, n).

    Subjects are drawn with replacement within their site (those seen at several sites form one
    more stratum), because the sites and their sizes are the design of the study, not chance.
    """
    rng = np.random.default_rng([seed, 3])
    strata: dict[int, list[Ints]] = defaultdict(list)
    for rows in _rows_of(subject):
        one_site = bool(np.all(site[rows] == site[rows[0]]))
        strata[int(site[rows[0]]) if one_site else -1].append(rows)
    weights = np.empty((count, len(site)))
    for stratum in sorted(strata):
        members = strata[stratum]
        counts = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=count)
        for column, rows in enumerate(members):
            weights[:, rows] = counts[:, [column]]
    return weights


def percentile_interval(draws: Floats) -> tuple[float, float] | None:
    """Return the central 95 % of the draws, None where nothing was drawn."""
    if not draws.size:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def centred_interval(
    value: float, draws: Floats, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float] | None:
    """Return the central 95 % of the draws, moved so that their mean is the value itself.

    A share of variance is biased upward, and a bootstrap sample, in which subjects repeat, is
    biased once more: plain percentiles of partial eta squared may lie wholly above the estimate.
    The spread of the draws is right, their place is not; so the spread is kept and centred on
    the estimate, ``[v + q_low - mean, v + q_high - mean]``, then clipped to what a share can be.
    """
    raw = percentile_interval(draws)
    if raw is None:
        return None
    shift = value - float(draws.mean())
    low, high = (float(np.clip(end + shift, *bounds)) for end in raw)
    return low, high


def null_of(value: float, draws: Floats) -> Null | None:
    """Summarise a permutation distribution; None where nothing was drawn.

    As extreme means as far from the centre of drawn and observed values together: a rule that
    treats the observed value like the drawn ones, which is what makes the p value exact.
    """
    if not draws.size:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    centre = (value + draws.sum()) / (1 + draws.size)
    distance = abs(value - centre)
    extreme = np.sum(np.abs(draws - centre) >= distance - 1e-12 * max(1.0, distance))
    p = (1 + int(extreme)) / (1 + draws.size)
    return Null(float(draws.mean()), float(low), float(high), float(p))


def _rows_of(subject: Ints) -> list[Ints]:
    """Return the rows of each subject, subjects in order of their code."""
    order = np.argsort(subject, kind="stable")
    starts = np.flatnonzero(np.diff(subject[order])) + 1
    return [np.asarray(rows, dtype=np.intp) for rows in np.split(order, starts)]


def _draw(
    blocks: Mapping[Hashable, Sequence[Ints]],
    shuffled: Sequence[Ints],
    n: int,
    count: int,
    rng: np.random.Generator,
) -> Ints:
    stacks = [np.stack(members) for members in blocks.values()]  # each (subjects, cases)
    permutations = np.tile(np.arange(n, dtype=np.intp), (count, 1))
    for permutation in permutations:
        for stack in stacks:
            permutation[stack] = stack[rng.permutation(len(stack))]
        for rows in shuffled:
            permutation[rows] = rng.permutation(rows)
    return permutations
