"""Subjects assigned to the parts of a split, in proportion within every stratum."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from harmonize_kit.errors import TableError

_CHANCE = 0.1  # weight of the seed against nearness to the wanted counts


def assign_subjects(
    strata: Mapping[str, str], shares: Sequence[Fraction], seed: int
) -> dict[str, int]:
    """Return the number of the part each subject goes to.

    In every stratum, and over all, the count of a part is the wanted one (subjects times share)
    rounded down or up, hence less than one subject off. Which subjects those are follows from the
    seed and from their names alone: neither the order of rows nor the version of a random number
    generator makes a difference.

    Parameters
    ----------
    strata : mapping of str to str
        Stratum by subject.
    shares : sequence of Fraction
        Of each part; they add up to 1.
    seed : int

    Raises
    ------
    TableError
        If there are too few subjects for each part to get one.

    Examples
    --------
    >>> parts = assign_subjects({"a": "x", "b": "x", "c": "x"}, [Fraction(2, 3), Fraction(1, 3)], 0)
    >>> sorted(parts.values())
    [0, 0, 1]
    """
    needed = math.ceil(1 / min(shares))
    if len(strata) < needed:
        raise TableError(
            f"expected at least {needed} subjects, so that a part of "
            f"{float(min(shares)):.3g} of them gets one, got {len(strata)}; choose larger "
            "fractions, fewer folds, or two parts"
        )
    names = sorted(set(strata.values()))
    members = {name: sorted(s for s in strata if strata[s] == name) for name in names}
    counts = round_counts([len(members[name]) for name in names], shares, names, seed)
    parts: dict[str, int] = {}
    for name, row in zip(names, counts, strict=True):
        drawn = sorted(members[name], key=lambda subject: _draw(seed, "subject", subject))
        places = np.repeat(np.arange(len(shares)), row)
        parts |= {subject: int(place) for subject, place in zip(drawn, places, strict=True)}
    return parts


def round_counts(
    sizes: Sequence[int], shares: Sequence[Fraction], names: Sequence[str], seed: int
) -> NDArray[np.int64]:
    """Return how many subjects of each stratum go to each part, shape (n_strata, n_parts).

    Rounding each stratum alone would give every odd subject to the largest part. This is
    controlled rounding (Cox, J Am Stat Assoc 82, 520, 1987): cells and sums are rounded down or up
    together, as near to the wanted counts as that allows. It is a transport problem, whose
    solutions are whole numbers without being told so, and which always has one. The seed settles
    which of several equally good ones it is.
    """
    wanted = [[size * share for share in shares] for size in sizes]
    base = np.array([[math.floor(cell) for cell in row] for row in wanted], dtype=np.int64)
    rest = np.array(
        [[float(cell - math.floor(cell)) for cell in row] for row in wanted], dtype=np.float64
    )
    cells = np.argwhere(rest > 0)
    if not len(cells):
        return base
    totals = [sum((row[part] for row in wanted), Fraction(0)) for part in range(len(shares))]
    low = np.array([math.floor(total) for total in totals]) - base.sum(axis=0)
    high = np.array([math.ceil(total) for total in totals]) - base.sum(axis=0)
    missing = np.array(sizes) - base.sum(axis=1)
    chance = [_draw(seed, names[stratum], str(part)) for stratum, part in cells.tolist()]
    cost = 1 - 2 * rest[cells[:, 0], cells[:, 1]] + _CHANCE * np.array(chance)
    of_stratum = _membership(cells[:, 0], len(sizes))
    of_part = _membership(cells[:, 1], len(shares))
    # The stubs know neither sparse matrices nor what comes back for them.
    found = cast(Any, linprog)(
        cost,
        A_eq=of_stratum,
        b_eq=missing,
        A_ub=sparse.vstack([of_part, -of_part]),
        b_ub=np.concatenate([high, -low]),
        bounds=(0, 1),
        method="highs-ds",
    )
    extra: NDArray[np.int64] = np.rint(found.x).astype(np.int64)
    base[cells[:, 0], cells[:, 1]] += extra
    assert (base.sum(axis=1) == np.array(sizes)).all()
    return base


def _membership(places: NDArray[np.intp], count: int) -> sparse.csr_array:
    """Return a matrix with a one where a cell belongs to a row, shape (count, n_cells)."""
    cells = np.arange(len(places))
    return sparse.csr_array((np.ones(len(places)), (places, cells)), shape=(count, len(places)))


def _draw(seed: int, *words: str) -> float:
    """Return a number in [0, 1) that follows from seed and words."""
    text = "\0".join((str(seed), *words)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big") / 2**56
