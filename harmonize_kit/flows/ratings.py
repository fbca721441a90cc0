"""Ratings of a reader study: the readers' files and the key in, what they say of candidates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harmonize_kit.compare.ratings import RatingSummary, summarize_ratings
from harmonize_kit.errors import TableError
from harmonize_kit.storage.columns import read_text_table, text_frame


def summarize_rating_files(
    files: Sequence[Path], key: Path, *, bootstraps: int = 1000, seed: int = 0
) -> RatingSummary:
    """Summarise the files that readers exported from the page of a study.

    Parameters
    ----------
    files : sequence of Path
        ``ratings.csv`` of one reader each; half-done files count with what they hold.
    key : Path
        ``key.csv`` that was written beside the page.
    bootstraps, seed : int
        As of :func:`harmonize_kit.compare.ratings.summarize_ratings`.

    Raises
    ------
    TableError
        If a file cannot be read, or ratings and key do not fit each other.
    """
    if not files:
        raise TableError("ratings: expected at least one file of a reader, got none")
    frames = [_read(path) for path in files]
    return summarize_ratings(pd.concat(frames), _read(key), bootstraps=bootstraps, seed=seed)


@dataclass(frozen=True)
class RatingFiles:
    """Files of the readers of a study, and its key."""

    ratings: Sequence[Path]
    key: Path

    @property
    def files(self) -> dict[str, Path]:
        """The files, by what a record of a run calls them."""
        found = {f"ratings {number}": path for number, path in enumerate(self.ratings, start=1)}
        return {**found, "key of ratings": self.key}


def _read(path: Path) -> pd.DataFrame:
    table = read_text_table(path)
    return text_frame(table, list(table.column_names))
