"""Feature tables as commands take them: features, covariates, and the columns that are neither."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import (
    read_covariates,
    read_feature_table,
    with_covariates,
)


@dataclass(frozen=True)
class TableInput:
    """A feature table, and where its covariates come from.

    Parameters
    ----------
    path : Path
    covariates : Path, optional
        Another table, joined by id.
    features : sequence of str
        Shell patterns that choose the features; all columns of numbers otherwise.
    id_column : str, optional
        Column of the ids where it has no usual name.
    """

    path: Path
    covariates: Path | None = None
    features: Sequence[str] = ()
    id_column: str | None = None

    def read(self, not_features: Collection[str] = ()) -> FeatureTable:
        """Read the table; ``not_features`` are columns that are named in another role."""
        table = read_feature_table(
            self.path,
            not_features=not_features,
            patterns=self.features,
            id_column=self.id_column,
        )
        if self.covariates is None:
            return table
        own_id = self.id_column if self.id_column is not None else None
        frame = read_covariates(self.covariates, own_id)
        return with_covariates(table, frame, f"{self.path.name} with {self.covariates.name}")
