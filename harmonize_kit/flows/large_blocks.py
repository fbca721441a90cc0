"""In which blocks a large table is worked through, so that memory stays within its bound."""

from __future__ import annotations

from dataclasses import dataclass

from harmonize_kit.config.large import LargeConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.execution import count_workers
from harmonize_kit.execution.cases import runs_here

# What Python and its libraries, the names of features and the temporaries of a block take.
FIXED = 450_000_000
# Larger blocks are not faster.
ENOUGH = 256_000_000
NUMBER = 8


@dataclass(frozen=True)
class Blocks:
    """Features of a block, and cases of it that are read at once."""

    width: int
    at_once: int

    def features(self, count: int) -> list[slice]:
        """Return the blocks of ``count`` features."""
        return [
            slice(start, min(start + self.width, count)) for start in range(0, count, self.width)
        ]


def room_for_blocks(config: LargeConfig, kept: int) -> int:
    """Return how many bytes the blocks of one worker may take.

    Parameters
    ----------
    config : LargeConfig
    kept : int
        Bytes that each worker needs beside them, such as for a model.

    Raises
    ------
    ConfigError
        If the memory is too little for so many workers.
    """
    execution = config.execution
    several = not runs_here(execution)
    elsewhere = execution.scheduler is not None or execution.cluster is not None
    workers = count_workers(execution, 1 << 30) if several and not elsewhere else 1
    processes = workers + (several and not elsewhere)
    room = (config.nbytes - processes * FIXED) // workers - kept
    if room < ENOUGH // 8:
        least = (kept + ENOUGH // 8) * workers + processes * FIXED
        raise ConfigError(
            f"--memory {config.memory} is too little for this table with {workers} "
            f"worker{'s' if workers > 1 else ''}; expected at least {megabytes(least)}"
        )
    return room


def require_room_for_estimates(config: LargeConfig, p: int, k: int, q: int) -> None:
    """Refuse a table whose model itself would not fit into memory.

    Location and scale of each site and feature are held several times over while they are
    shrunken, which needs all features of a site together.

    Parameters
    ----------
    config : LargeConfig
    p, k, q : int
        Features, sites, design columns.

    Raises
    ------
    ConfigError
        If they do not fit.
    """
    least = FIXED + NUMBER * p * (13 * k + 2 * q + 10)
    if config.nbytes < least:
        raise ConfigError(
            f"--memory {config.memory} does not hold the estimates of {p} features at {k} sites; "
            f"expected at least {megabytes(least)}"
        )


def plan_blocks(
    shape: tuple[int, int], grain: tuple[int, int], *, cell: int, column: int, room: int
) -> Blocks:
    """Return blocks that fit into ``room`` bytes and read what is stored together once.

    All cases of some features at once are best: their sums are made in one go. Where features are
    stored too widely for that, blocks are as wide as fits, and cases are read some at a time.

    Parameters
    ----------
    shape : tuple of int
        n cases and p features.
    grain : tuple of int
        Cases and features that are stored together.
    cell, column : int
        Bytes that a cell takes, and what is kept of each feature.
    room : int

    Raises
    ------
    ConfigError
        If not even one feature of the cases that are stored together fits.
    """
    n, p = shape
    rows, features = min(grain[0], n), min(grain[1], p)
    width = _whole(min(room, ENOUGH) // (column + n * cell), features, p)
    if width:
        return Blocks(width, n)
    fitting = room // (column + rows * cell)
    # Narrower than what is stored together, it is read again for each block.
    width = _whole(fitting, features, p) or fitting
    if width < 1:
        raise ConfigError(f"one feature needs {megabytes(column + rows * cell)}; raise --memory")
    left = min(room // width - column, ENOUGH // width)
    return Blocks(width, min(n, max(1, left // (cell * rows)) * rows))


def _whole(fitting: int, features: int, p: int) -> int:
    """Return how many features to take: all, or a multiple of those stored together."""
    return p if fitting >= p else fitting // features * features


def megabytes(count: int) -> str:
    """Return bytes as a user would give them."""
    return f"{-(-count // 1_000_000)}M"
