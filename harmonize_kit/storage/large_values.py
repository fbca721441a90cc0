"""What all large tables on disk share: choosing features, and refusing infinite values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import TableError
from harmonize_kit.storage.feature_tables import chosen_features

Columns = slice | NDArray[np.int_]


def require_features(
    names: Sequence[str],
    path: Path,
    *,
    sidecar: dict[str, Any] | None = None,
    patterns: Sequence[str] = (),
    not_features: Collection[str] = (),
    only: Collection[str] | None = None,
) -> list[str]:
    """Return which of ``names`` are the features, as for a table in memory.

    Raises
    ------
    TableError
        If there is none, or a name repeats.
    """
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise TableError(f"{path.name}: feature '{twice}' is named twice; rename one")
    if only is not None:
        wanted = set(only)
    else:
        wanted = chosen_features(names, sidecar, patterns, set(not_features), path)
    found = [name for name in names if name in wanted]
    if not found:
        raise TableError(f"{path.name}: expected columns of numbers as features, got none")
    return found


def positions(chosen: Sequence[str], stored: Sequence[str]) -> NDArray[np.int_]:
    """Return where each chosen feature is stored."""
    place = {name: position for position, name in enumerate(stored)}
    return np.array([place[name] for name in chosen], dtype=np.int_)


def as_columns(columns: NDArray[np.int_]) -> Columns:
    """Return positions as a slice where they follow each other, which is read faster."""
    if len(columns) and bool((np.diff(columns) == 1).all()):
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns


def require_no_infinite(
    values: NDArray[Any], source: str, tell: Callable[[int, int], tuple[str, str]]
) -> None:
    """Refuse infinite values, shape (b, c); ``tell`` gives id and feature of a position.

    Raises
    ------
    TableError
        If there is one.
    """
    # One number tells for the whole: a sum is finite only where every value is.
    with np.errstate(all="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        case, feature = tell(int(infinite[0, 0]), int(infinite[0, 1]))
        raise TableError(
            f"{source}: expected finite values, got an infinite one at id '{case}', feature "
            f"'{feature}'; correct it or leave it empty"
        )


def gathered(
    pieces: Iterable[NDArray[Any]], at_once: int, columns: int, dtype: np.dtype[Any], order: Any
) -> Iterator[NDArray[Any]]:
    """Yield rows that come in pieces of any length, ``at_once`` at a time; the last are fewer.

    They are gathered in one array, which is used again.
    """
    buffer = np.empty((at_once, columns), dtype=dtype, order=order)
    filled = 0
    for piece in pieces:
        start = 0
        while start < len(piece):
            taken = min(len(piece) - start, at_once - filled)
            buffer[filled : filled + taken] = piece[start : start + taken]
            start, filled = start + taken, filled + taken
            if filled == at_once:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which values are read: float32 where it holds them, else float64."""
    small = dtype.kind == "f" and dtype.itemsize <= 4
    return np.dtype(np.float32 if small else np.float64)
