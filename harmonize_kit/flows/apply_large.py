"""apply, for a table that does not fit into memory: read, harmonized and written part by part."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat import FittedComBat, known_cases
from harmonize_kit.config.large import LargeConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.large_table import LargeProduct, ProductPart, TablePart
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, HarmonizeWarning, IntegrityError
from harmonize_kit.flows.apply import HARMONIZED, NOTE_COLUMN, notes_on_cases
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.large_blocks import NUMBER, Blocks, plan_blocks, room_for_blocks
from harmonize_kit.flows.large_tables import open_input, run_all
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.large_tables import AnyLargeTable, require_place, write_large_table


@dataclass(frozen=True)
class CaseRows:
    """What is known of n cases.

    Parameters
    ----------
    known : ndarray of bool, shape (n,)
        Cases of sites that the model knows; others stay as they are.
    codes : ndarray of int, shape (n,)
        Position of each case's site in the model.
    covariates : ndarray, shape (n, q)
        Design columns.
    """

    known: NDArray[np.bool_]
    codes: NDArray[np.int_]
    covariates: NDArray[np.float64]

    def __getitem__(self, rows: slice) -> CaseRows:
        """Return some of the cases."""
        return CaseRows(self.known[rows], self.codes[rows], self.covariates[rows])


@dataclass(frozen=True)
class ApplyWork:
    """A part of a table, the place its harmonized values go to, and what they follow from.

    Parameters
    ----------
    part : TablePart
        Of n cases and c features.
    place : ProductPart
    model : Path
    digest : str
        Of the model, so that another one in its place is never taken for it.
    columns : ndarray of int, shape (c,)
        Positions of the features in the model.
    cases : CaseRows
    at_once : int
    """

    part: TablePart
    place: ProductPart
    model: Path
    digest: str
    columns: NDArray[np.int_]
    cases: CaseRows
    at_once: int


def apply_large(
    model: Path,
    source: TableInput,
    output: Path,
    large: LargeConfig | None = None,
    *,
    unseen: Literal["error", "keep"] = "error",
) -> tuple[int, int]:
    """Apply a saved model to a table part by part; return the numbers of cases and features.

    The output is of the kind of the input: a folder of Parquet parts or a Parquet file, a Zarr
    group, or a folder of images with a table that names them; whole, or not there at all. Values
    that were float32 are so again, rounded once.

    Raises
    ------
    ConfigError
        If the model is of a kind that needs all features at once, or the memory is too little.
    UnseenSiteError
        If a site is unknown and ``unseen`` is "error".
    TableError, CovariateError
        If the table lacks a feature or covariate of the model.
    IntegrityError
        If the model was damaged or changed.
    """
    fitted, made_by = load_fitted(model)
    if not isinstance(fitted, FittedComBat):
        raise ConfigError(
            f"{model}: expected a model of method combat or combat-gam, which can be applied part "
            "by part; apply this kind to a table that fits into memory, without --memory"
        )
    table = open_input(source, only=fitted.features)
    require_output(output, table, source)
    if source.mask is not None:
        _require_same_mask(made_by, source.mask)
    harmonize_large(fitted, model, table, output, large or LargeConfig(), unseen=unseen)
    return len(table.cases.ids), len(table.names)


def require_output(output: Path, table: AnyLargeTable, source: TableInput) -> None:
    """Refuse, before any work, an output that is there already or does not fit the table."""
    inputs = source.paths if source.mask is None else (*source.paths, source.mask)
    require_place(output, table, inputs)


def harmonize_large(
    fitted: FittedComBat,
    model: Path,
    table: AnyLargeTable,
    output: Path,
    large: LargeConfig,
    *,
    unseen: Literal["error", "keep"] = "error",
    command: Literal["fit", "apply"] = "apply",
) -> None:
    """Write a table harmonized by ``fitted``, which is saved as ``model``."""
    table = table.choose(fitted.known_features(table.names, table.cases.source))
    cases = table.cases
    known = np.ones(len(cases.ids), dtype=np.bool_)
    if unseen == "keep":
        known = known_cases(fitted, cases)
    notes = notes_on_cases(fitted, cases, known)
    told = unseen == "keep" or bool((notes != HARMONIZED).any())
    digest = model_digest(fitted)
    made_by: dict[str, Any] = {"command": command, "model": digest}
    if command == "fit":
        made_by["in_sample"] = True
    rows_of = _read_cases(fitted, cases, known)
    place = {name: position for position, name in enumerate(fitted.features)}
    columns = np.array([place[name] for name in table.names], dtype=np.int_)
    with write_large_table(
        output.absolute(), table, notes.rename(NOTE_COLUMN) if told else None, made_by
    ) as product:
        items: list[tuple[str, ApplyWork]] = []
        blocks = _plan(fitted, table, product, large)
        for rows in product.row_ranges():
            for own in blocks.features(len(table.names)):
                name = f"cases {rows.start + 1} to {rows.stop}, "
                name += f"features {own.start + 1} to {own.stop}"
                work = ApplyWork(
                    table.part(rows, own), product.part(rows, own), model.absolute(), digest,
                    columns[own], rows_of[rows], blocks.at_once,
                )  # fmt: skip
                items.append((name, work))
        try:
            run_all(harmonize_part, items, large.execution)
        finally:
            _model.cache_clear()


def _read_cases(fitted: FittedComBat, cases: FeatureTable, known: NDArray[np.bool_]) -> CaseRows:
    """Return sites and design columns of the cases; zeros where the site is unknown."""
    if not known.all():
        ids = [case for case, flag in zip(cases.ids, known, strict=True) if flag]
        cases = cases.select(ids)
    values = fitted.design.read(cases.covariates, cases.source)
    fitted.tell_extrapolation(cases, values)
    codes = np.zeros(len(known), dtype=np.int_)
    covariates = np.zeros((len(known), len(fitted.design.names)))
    codes[known] = fitted.site_codes(cases.covariates, cases.source)
    covariates[known] = fitted.design.columns(values, cases.source)
    return CaseRows(known, codes, covariates)


def _plan(
    fitted: FittedComBat, table: AnyLargeTable, product: LargeProduct, large: LargeConfig
) -> Blocks:
    """Return blocks that are read and written together, beside a model in memory."""
    p, k, q = len(fitted.features), len(fitted.sites), len(fitted.design.names)
    longest = max(rows.stop - rows.start for rows in product.row_ranges())
    blocks = plan_blocks(
        (longest, len(table.names)),
        product.grain,
        # As read, in float64, and twice as written.
        cell=3 * table.dtype.itemsize + NUMBER,
        column=NUMBER * (4 * k + q + 3),
        room=room_for_blocks(
            # The model is read by each worker; this process has it already.
            large,
            2 * NUMBER * p * (4 * k + q + 3) + table.overhead + product.overhead,
        ),
    )
    whole = product.grain[1] == len(table.names)
    if whole and blocks.width < len(table.names):
        raise ConfigError(
            f"{table.path.name} is written case by case, and {len(table.names)} features of one "
            f"case do not fit into --memory {large.memory}; raise it, or use Zarr"
        )
    return blocks


def harmonize_part(work: ApplyWork) -> None:
    """Read, harmonize and write a part, on whatever worker."""
    fitted = _model(work.model, work.digest).of(work.columns)
    start = 0
    with work.place.open() as sink:
        for found in work.part.read(min(work.at_once, len(work.cases.codes))):
            cases = work.cases[start : start + len(found)]
            values = np.array(found, dtype=np.float64, order="C")
            if cases.known.all():
                fitted.transform(values, cases.codes, cases.covariates, out=values)
            elif cases.known.any():
                own = cases.known
                values[own] = fitted.transform(values[own], cases.codes[own], cases.covariates[own])
            sink.write(values)
            start += len(found)
    if start != len(work.cases.codes):
        raise ValueError(f"expected {len(work.cases.codes)} cases, got {start}")


@lru_cache(maxsize=1)
def _model(folder: Path, digest: str) -> FittedComBat:
    fitted, _ = load_fitted(folder)
    if not isinstance(fitted, FittedComBat) or model_digest(fitted) != digest:
        raise IntegrityError(f"{folder}: the model changed while it was applied; apply it again")
    return fitted


def _require_same_mask(made_by: Mapping[str, Any], mask: Path) -> None:
    """Tell where a model was fitted under another mask than it is applied under.

    Its voxels are known by their place in the grid; where that lies only the mask says.
    """
    fitted_under = made_by.get("mask")
    if fitted_under is not None and fitted_under != digest_file(mask):
        warnings.warn(
            f"{mask.name} is not the file of the mask that the model was fitted under; its voxels "
            "are taken for the same because they have the same places in the grid",
            HarmonizeWarning,
            stacklevel=3,
        )
