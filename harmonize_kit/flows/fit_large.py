"""fit, for a table that does not fit into memory: its sums, block by block, make the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat import (
    BlockSums,
    FittedComBat,
    Setting,
    fit_from_sums,
    named_columns,
    parse_formula,
    read_setting,
    require_sums_suffice,
    sum_block,
)
from harmonize_kit.combat.location_scale import Sums
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.config.large import LargeConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.large_table import TablePart
from harmonize_kit.execution import count_workers
from harmonize_kit.execution.cases import runs_here
from harmonize_kit.flows.apply_large import harmonize_large, require_output
from harmonize_kit.flows.large_blocks import (
    NUMBER,
    Blocks,
    plan_blocks,
    require_room_for_estimates,
    room_for_blocks,
)
from harmonize_kit.flows.large_tables import digest_files, open_input, run_all
from harmonize_kit.flows.models import save
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.large_tables import (
    AnyLargeTable,
    read_arrays,
    write_arrays,
)
from harmonize_kit.storage.whole import scratch_folder


@dataclass(frozen=True)
class SumWork:
    """A part of a table whose sums are to be made, and the scratch file they go to.

    Parameters
    ----------
    part : TablePart
        Of n cases.
    codes : ndarray of int, shape (n,)
        Site of each.
    covariates : ndarray, shape (n, q)
        Design columns.
    n_sites, at_once : int
    file : Path
    """

    part: TablePart
    codes: NDArray[np.int_]
    covariates: NDArray[np.float64]
    n_sites: int
    at_once: int
    file: Path


def fit_large(
    source: TableInput,
    model: Path,
    config: ComBatConfig,
    large: LargeConfig | None = None,
    *,
    harmonized: Path | None = None,
) -> FittedComBat:
    """Fit ComBat or ComBat-GAM to a table part by part, and save the model.

    The model is that of :func:`.flows.fit.fit` to rounding, whatever the blocks and workers: both
    work with the same sums of each site.

    Parameters
    ----------
    source : TableInput
        A folder of Parquet parts or a Parquet file, a Zarr group, or images under ``source.mask``.
    model : Path
    config : ComBatConfig
    large : LargeConfig, optional
        Memory and workers.
    harmonized : Path, optional
        Where to write the same table, harmonized.

    Raises
    ------
    ConfigError
        If the method needs all cases at once, or the memory is too little.
    TableError, CovariateError, DesignError
        As in memory; nothing is written.
    """
    large = large or LargeConfig()
    require_sums_suffice(config)
    named = {*named_columns(config), *parse_formula(config.preserve).columns, *config.smooth}
    table = open_input(source, not_features=named)
    if harmonized is not None:
        require_output(harmonized, table, source)
    setting = read_setting(config, table.cases)
    with scratch_folder(model.absolute()) as scratch:
        files = _sum_table(table, setting, large, scratch)
        fitted = fit_from_sums(config, setting, table.cases, table.names, _merged(files))
    made_by: dict[str, Any] = {"files": digest_files(source.path), "cases": len(table.cases.ids)}
    if source.mask is not None:
        made_by["mask"] = digest_file(source.mask)
    save(fitted, model, **made_by)
    if harmonized is not None:
        harmonize_large(fitted, model, table, harmonized, large, command="fit")
    return fitted


def _sum_table(
    table: AnyLargeTable, setting: Setting, large: LargeConfig, scratch: Path
) -> list[tuple[int, list[Path]]]:
    """Make the sums of all parts; return first feature and files of each block of features."""
    n, p, k, q = (
        len(setting.codes),
        len(table.names),
        len(setting.sites),
        setting.covariates.shape[1],
    )
    room = room_for_blocks(large, table.overhead)
    require_room_for_estimates(large, p, k, q)
    # Sums are held three times over while they are added; a gap makes each feature count alone.
    of_site = q * q + 2 * q + 3 if table.may_miss else q + 2
    blocks = plan_blocks(
        (n, p),
        table.grain,
        cell=2 * table.dtype.itemsize,
        column=3 * NUMBER * k * of_site,
        room=room,
    )
    files: list[tuple[int, list[Path]]] = []
    items: list[tuple[str, SumWork]] = []
    for features in blocks.features(p):
        own: list[Path] = []
        for rows in _row_ranges(n, table.grain[0], blocks, p, large):
            name = f"features {features.start + 1} to {features.stop}, "
            name += f"cases {rows.start + 1} to {rows.stop}"
            file = scratch / f"sums-{features.start}-{rows.start}.npz"
            work = SumWork(
                table.part(rows, features), setting.codes[rows], setting.covariates[rows],
                k, blocks.at_once, file,
            )  # fmt: skip
            items.append((name, work))
            own.append(file)
        files.append((features.start, own))
    run_all(sum_part, items, large.execution)
    return files


def _row_ranges(n: int, grain: int, blocks: Blocks, p: int, large: LargeConfig) -> list[slice]:
    """Return ranges of cases such that every worker has something to do."""
    if runs_here(large.execution):
        return [slice(0, n)]
    wanted = -(-4 * max(2, count_workers(large.execution, 1 << 30)) // len(blocks.features(p)))
    step = -(-n // wanted)
    step = -(-step // grain) * grain
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def sum_part(work: SumWork) -> None:
    """Make the sums of a part, on whatever worker."""
    total: BlockSums | None = None
    start = 0
    for values in work.part.read(min(work.at_once, len(work.codes))):
        rows = slice(start, start + len(values))
        found = sum_block(values, work.codes[rows], work.covariates[rows], work.n_sites)
        total = found if total is None else total + found
        start = rows.stop
    if total is None or start != len(work.codes):
        raise ValueError(f"expected {len(work.codes)} cases, got {start}")
    write_arrays(work.file, total.to_arrays())


def _merged(
    files: Sequence[tuple[int, list[Path]]],
) -> Iterator[tuple[NDArray[np.int_], Sums]]:
    """Yield the sums over all cases, block by block, each added in the order of the cases."""
    for start, parts in files:
        total = BlockSums.from_arrays(read_arrays(parts[0]))
        for part in parts[1:]:
            total = total + BlockSums.from_arrays(read_arrays(part))
        yield from total.by_feature(start)
