"""Large tables as commands take them, and work over their parts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.digest import digest_value
from harmonize_kit.errors import ConfigError, NothingSucceededError, TableError
from harmonize_kit.execution import Failed, map_cases
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.columns import read_text_table
from harmonize_kit.storage.feature_tables import read_covariates
from harmonize_kit.storage.large_tables import (
    ZARR,
    AnyLargeTable,
    held_columns,
    open_large_table,
)

Work = TypeVar("Work")
logger = logging.getLogger(__name__)


def open_input(
    source: TableInput, not_features: Collection[str] = (), only: Collection[str] | None = None
) -> AnyLargeTable:
    """Open what a command was given as a table that is read part by part.

    Raises
    ------
    TableError
        See :func:`.storage.large_tables.open_large_table`; or if a Zarr group has no covariates.
    """
    if source.covariates is None and source.path.suffix.lower() == ZARR:
        raise TableError(
            f"{source.path.name}: a Zarr group holds ids, names and values alone; give site and "
            "covariates in another table (--covariates FILE)"
        )
    covariates = None
    if source.covariates is not None:
        held = read_text_table(source.covariates).column_names
        own = source.id_column in held or source.id_column not in held_columns(source.path)
        covariates = read_covariates(source.covariates, source.id_column if own else None)
    return open_large_table(
        source.path,
        mask=source.mask,
        covariates=covariates,
        patterns=source.features,
        not_features={*not_features, *source.not_features},
        id_column=_id_column(source),
        only=only,
    )


def _id_column(source: TableInput) -> str | None:
    """Return the id column of the table; of two, the one that lacks it has a usual name."""
    if source.covariates is None or source.id_column in held_columns(source.path):
        return source.id_column
    return None


def run_all(
    function: Callable[[Work], None],
    items: Sequence[tuple[str, Work]],
    execution: ExecutionConfig,
) -> None:
    """Run ``function`` on every part of a table; the first that fails ends the run.

    Raises
    ------
    ConfigError
        If the memory of a worker did not suffice.
    NothingSucceededError
        If a part failed for another reason than what the table holds.
    HarmonizeError
        What ``function`` raises.
    """
    config = execution.model_copy(update={"on_error": "stop"})
    for number, outcome in enumerate(map_cases(function, items, config), start=1):
        if isinstance(outcome, Failed):
            told = f"{outcome.id}: {outcome.message}"
            if outcome.code == "OUT_OF_MEMORY":
                raise ConfigError(f"{told}; raise --memory, or lower it for smaller blocks")
            raise NothingSucceededError(told)
        logger.info("%d of %d parts (%s)", number, len(items), outcome.id)


def digest_files(path: Path) -> str:
    """Return a digest over the names and lengths of a file or of all files in a folder.

    Their content would have to be read once more for a digest of it.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    listed = [[file.relative_to(path).as_posix(), file.stat().st_size] for file in files]
    return digest_value(listed)
