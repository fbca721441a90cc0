"""Feature tables as commands take them: features, covariates, and the columns that are neither."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import TableError
from harmonize_kit.storage.columns import read_text_table
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
    not_features : sequence of str
        Columns of numbers that are no features.
    mask : Path, optional
        The table names images, and their voxels under this mask are the features.
    """

    path: Path
    covariates: Path | None = None
    features: Sequence[str] = ()
    id_column: str | None = None
    not_features: Sequence[str] = ()
    mask: Path | None = None

    @property
    def is_large(self) -> bool:
        """Whether it can only be read part by part: a folder, or images under a mask."""
        return self.mask is not None or self.path.is_dir() or self.path.suffix.lower() == ".zarr"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        return (self.path,) if self.covariates is None else (self.path, self.covariates)

    def read(
        self, not_features: Collection[str] = (), only: Collection[str] | None = None
    ) -> FeatureTable:
        """Read the table; ``not_features`` are columns that are named in another role.

        With ``only``, just these columns are features, and every other one passes through.

        Raises
        ------
        TableError
            If it cannot be read, or only part by part, as fit and apply do.
        """
        if self.is_large:
            raise TableError(
                f"{self.path} is no single file of a table; only fit and apply read folders of "
                "Parquet parts, Zarr groups and images under a mask"
            )
        ids = self._ids()
        table = read_feature_table(
            self.path,
            not_features={*not_features, *self.not_features},
            patterns=self.features,
            id_column=ids[self.path],
            only=only,
        )
        if self.covariates is None:
            return table
        frame = read_covariates(self.covariates, ids[self.covariates])
        return with_covariates(table, frame, f"{self.path.name} with {self.covariates.name}")

    def _ids(self) -> dict[Path, str | None]:
        """Return the id column of each file; the one that lacks ``id_column`` has a usual name."""
        if self.id_column is None or len(self.paths) == 1:
            return dict.fromkeys(self.paths, self.id_column)
        held = {path: self.id_column in read_text_table(path).column_names for path in self.paths}
        anywhere = any(held.values())
        return {path: self.id_column if held[path] or not anywhere else None for path in held}
