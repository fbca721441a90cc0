"""Strata: groups of subjects that agree in the columns by which a split is stratified."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harmonize_kit.core.table import parse_number

MEASURED_FROM = 9  # distinct numbers; fewer are taken as groups (sex as 1 and 2, a grade)


@dataclass(frozen=True)
class Levels:
    """One column as levels, a subject each.

    Parameters
    ----------
    of : mapping of str to str
        Level by subject.
    edges : tuple of float
        Ends of the classes of a measurement, outer ones left out; empty for groups.
    mixed : tuple of str
        Subjects whose cases differ in the column.
    """

    of: Mapping[str, str]
    edges: tuple[float, ...] = ()
    mixed: tuple[str, ...] = ()


def levels(cells: Mapping[str, Sequence[str]], bins: int, *, categorical: bool) -> Levels:
    """Return the level of each subject in one column.

    Numbers of which there are many are a measurement: the mean of a subject's cases falls into one
    of ``bins`` classes with equally many subjects, as far as ties allow. All else is a group: a
    subject whose cases lie in several (a traveller between sites) has a level of its own.

    Parameters
    ----------
    cells : mapping of str to sequence of str
        Cells of the column by subject; none is missing.
    bins : int
    categorical : bool
        Whether numbers are groups, too.
    """
    mixed = tuple(sorted(subject for subject, texts in cells.items() if len(set(texts)) > 1))
    means = None if categorical else _means(cells)
    if means is None:
        return Levels({s: " + ".join(sorted(set(texts))) for s, texts in cells.items()}, (), mixed)
    values = np.array(sorted(means.values()))
    inner = np.quantile(values, np.arange(1, bins) / bins)
    edges = tuple(float(edge) for edge in np.unique(inner) if edge > values[0])
    return Levels(
        {subject: _class_of(mean, edges) for subject, mean in means.items()}, edges, mixed
    )


def _means(cells: Mapping[str, Sequence[str]]) -> dict[str, float] | None:
    """Return the mean of each subject, None where the column is no measurement."""
    numbers = {subject: [parse_number(text) for text in texts] for subject, texts in cells.items()}
    known = {
        subject: [value for value in found if value is not None and math.isfinite(value)]
        for subject, found in numbers.items()
    }
    if any(len(known[subject]) < len(found) for subject, found in numbers.items()):
        return None
    if len({value for found in known.values() for value in found}) < MEASURED_FROM:
        return None
    # Summed exactly, so that the order of rows makes no difference in the last bit.
    return {subject: math.fsum(found) / len(found) for subject, found in known.items()}


def _class_of(mean: float, edges: tuple[float, ...]) -> str:
    place = int(np.searchsorted(edges, mean, side="right"))
    if not edges:
        return "all"
    if place == 0:
        return f"below {edges[0]:.6g}"
    if place == len(edges):
        return f"from {edges[-1]:.6g}"
    return f"{edges[place - 1]:.6g} to {edges[place]:.6g}"
