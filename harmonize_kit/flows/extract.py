"""extract: a cohort in, a feature table out."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import validate_config
from harmonize_kit.core.cohort import Cohort
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.execution import Failed, map_cases
from harmonize_kit.features import Engine, describe_provider
from harmonize_kit.flows.assemble import NOTE_COLUMN, failure_table, feature_table
from harmonize_kit.flows.case import CaseWork, measure_case
from harmonize_kit.flows.maps import map_table
from harmonize_kit.flows.output_folder import remove_products, writing
from harmonize_kit.flows.plan import load_params, plan_extraction
from harmonize_kit.flows.run_cases import Progress, require_success, run_cases
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit.storage.whole import write_text

DEFAULT_PARAMS = "pyradiomics-default"
MAP_PRODUCTS = ("maps.csv",)
PRODUCTS = ("features.csv", "features.parquet", "features.json")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionRun:
    """What came of an extraction.

    Parameters
    ----------
    table : FeatureTable or None
        The cases that succeeded, in the cohort's order; None while there are cases to do, and
        where maps were made.
    maps : DataFrame or None
        The paths of the maps instead; see :func:`~harmonize_kit.flows.maps.map_table`.
    failures : DataFrame
        Columns id, stage, code, message, in the cohort's order.
    computed, reused : int
        Cases measured now, and cases whose result was there already.
    cases : int
        Cases this run had to see to: the cohort, or its shard.
    to_do : int
        Cases of the cohort without result or failure: the run was stopped, or other shards are
        not done.
    """

    table: FeatureTable | None
    failures: pd.DataFrame
    computed: int
    reused: int
    cases: int
    to_do: int = 0
    maps: pd.DataFrame | None = None


def extract(
    cohort: Cohort | str | Path,
    params: ExtractionConfig | str | Path | dict[str, Any] = DEFAULT_PARAMS,
    workers: int | str = "auto",
    engine: Engine = "auto",
) -> FeatureTable:
    """Extract radiomic features of a cohort, in memory.

    Parameters
    ----------
    cohort : Cohort or path
        A cohort table; a PyRadiomics batch file works unchanged.
    params : preset, path, dict or ExtractionConfig
        A PyRadiomics parameter file works unchanged.
    workers : int or "auto"
        Processes. With more than one, call from a script under ``if __name__ == "__main__":``.
    engine : {"auto", "native", "pyradiomics"}
        "pyradiomics" calls PyRadiomics untouched; the others give its numbers with less work.

    Returns
    -------
    FeatureTable
        The cases that succeeded; those that failed are logged with their reason.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the parameters are not usable; nothing was started.
    NothingSucceededError
        If every case failed.
    """
    own = cohort if isinstance(cohort, Cohort) else read_cohort(Path(cohort))
    config = load_params(params)
    execution = validate_config({"workers": workers}, "workers", ExecutionConfig)
    regions: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, Failed] = {}
    items = [(case.id, CaseWork(case, config, engine=engine)) for case in own]
    for outcome in map_cases(measure_case, items, execution):
        if isinstance(outcome, Failed):
            failed[outcome.id] = outcome
            logger.warning("case %s failed: %s %s", outcome.id, outcome.code, outcome.message)
        else:
            regions[outcome.id] = outcome.value["regions"]
    require_success(own, regions, failed)
    return feature_table(own, lambda case: regions.get(case.id), config)


def extract_to_folder(
    cohort_path: Path,
    folder: Path,
    params: str = DEFAULT_PARAMS,
    execution: ExecutionConfig | None = None,
    *,
    force: bool = False,
    id_column: str | None = None,
    engine: Engine = "auto",
    voxel: bool = False,
    progress: Progress = lambda outcome, done, total: None,
) -> ExtractionRun:
    """Extract a cohort into ``folder``: features, failures, run record, journal and results.

    What was measured before under the same content, parameters and versions is not measured again.
    With ``voxel``, maps of the features are written instead, and a table of their paths. A shard
    writes the table only if it finds every other shard done; else its results wait for the last.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the parameters are not usable; nothing was started.
    NothingSucceededError
        If every case failed; failures.csv says why.
    OutputError
        If the folder takes no more, as when the disk is full; what is done is kept.
    """
    execution = execution or ExecutionConfig()
    plan = plan_extraction(
        cohort_path, folder, params, execution,
        force=force, id_column=id_column, engine=engine, voxel=voxel,
    )  # fmt: skip
    record = RunRecord(
        "extract",
        {
            "parameters": plan.config.parameters(),
            "params": Path(params).name,
            "execution": execution.model_dump(mode="json", exclude={"scheduler"}),
            "provider": describe_provider(),
            "engine": engine,
            "voxel": voxel,
        },
        {cohort_path.name: digest_file(cohort_path)},
    )
    products = MAP_PRODUCTS if voxel else PRODUCTS
    done = run_cases(plan, folder, execution, force=force, progress=progress, products=products)
    to_do, complete = done.to_do, bool(done.succeeded) and not done.to_do
    table = maps = None
    if complete and voxel:
        maps = map_table(plan.cohort, done.regions_of)
    elif complete:
        table = feature_table(plan.cohort, done.regions_of, plan.config)
    run = ExtractionRun(
        table, failure_table(plan.cohort, done.failed), done.computed,
        len(done.succeeded) - done.computed, len(plan.own if to_do else plan.cohort), to_do, maps,
    )  # fmt: skip
    if execution.shard is None or not to_do:
        with writing(folder):
            _write(run, folder, record)
        require_success(plan.cohort, done.succeeded, done.failed)
    return run


def _write(run: ExtractionRun, folder: Path, record: RunRecord) -> None:
    """Write the products whole, features.csv last: where it stands, the run is complete."""
    if run.table is None and run.maps is None:
        remove_products(folder, (*PRODUCTS, *MAP_PRODUCTS))
    write_text_table(run.failures, folder / "failures.csv")
    counts = {
        "cases": run.cases,
        "computed": run.computed,
        "reused": run.reused,
        "failed": len(run.failures),
        "rows": len(run.table.ids) if run.table else 0 if run.maps is None else len(run.maps),
        "features": len(run.table.names) if run.table else 0,
    }
    document = json.dumps(record.finish(**counts), indent=1, ensure_ascii=False)
    write_text(folder / "run.json", document + "\n")
    if run.maps is not None:
        write_text_table(run.maps, folder / MAP_PRODUCTS[0])
    if run.table is not None:
        write_feature_table(run.table, folder / "features.csv", notes=(NOTE_COLUMN,))
