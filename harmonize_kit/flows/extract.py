"""extract: a cohort in, a feature table out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import load_config, validate_config
from harmonize_kit.core.cohort import Cohort
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, NothingSucceededError, TableError
from harmonize_kit.execution import Done, Failed, map_cases
from harmonize_kit.features import FeatureExtractor, describe_provider
from harmonize_kit.flows.assemble import NOTE_COLUMN, asks_for_several, failure_table, feature_table
from harmonize_kit.flows.case import CaseResult, CaseWork, measure_case
from harmonize_kit.provenance import Journal, RunRecord, digest_file
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit.storage.whole import write_text

DEFAULT_PARAMS = "pyradiomics-default"
Outcome = Done[CaseResult] | Failed
Progress = Callable[[Outcome, int, int], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionRun:
    """What came of an extraction.

    Parameters
    ----------
    table : FeatureTable
        The cases that succeeded, in the cohort's order.
    failures : DataFrame
        Columns id, stage, code, message, in the cohort's order.
    computed, reused : int
        Cases measured now, and cases whose result was there already.
    cases : int
        Cases of the cohort; more than the others together where the run was stopped.
    """

    table: FeatureTable
    failures: pd.DataFrame
    computed: int
    reused: int
    cases: int


def extract(
    cohort: Cohort | str | Path,
    params: ExtractionConfig | str | Path | dict[str, Any] = DEFAULT_PARAMS,
    workers: int | str = "auto",
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
    execution = validate_config({"workers": workers}, "workers", ExecutionConfig)
    run = _run(own, load_params(params), execution, store=None, force=False)
    for failure in run.failures.itertuples():
        logger.warning("case %s failed: %s %s", failure.id, failure.code, failure.message)
    return run.table


def extract_to_folder(
    cohort_path: Path,
    folder: Path,
    params: str = DEFAULT_PARAMS,
    execution: ExecutionConfig | None = None,
    *,
    force: bool = False,
    id_column: str | None = None,
    progress: Progress | None = None,
) -> ExtractionRun:
    """Extract a cohort into ``folder``: features, failures, run record, journal and results.

    What was measured before under the same content, parameters and versions is not measured again.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the parameters are not usable; nothing was started.
    NothingSucceededError
        If every case failed; failures.csv says why.
    """
    execution = execution or ExecutionConfig()
    cohort = read_cohort(cohort_path, id_column)
    taken = {NOTE_COLUMN} | ({"case_id", "Label"} if asks_for_several(cohort) else set[str]())
    for name in cohort.columns:
        if name in taken:
            raise TableError(f"{cohort_path.name}: column '{name}' is made here; rename yours")
    config = load_params(params)
    FeatureExtractor(config)
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; choose a folder with -o")
    record = RunRecord(
        "extract",
        {
            "parameters": config.parameters(),
            "params": Path(params).name,
            "execution": execution.model_dump(exclude={"scheduler"}),
            "provider": describe_provider(),
        },
        {cohort_path.name: digest_file(cohort_path)},
    )
    try:
        (folder / "cases").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to ({error.strerror})") from error
    journal = Journal(folder / "journal.jsonl")
    run = _run(
        cohort, config, execution, store=str(folder.absolute() / "cases"), force=force,
        journal=journal, progress=progress, finish=lambda run: _write(run, folder, record),
    )  # fmt: skip
    return run


def load_params(params: ExtractionConfig | str | Path | dict[str, Any]) -> ExtractionConfig:
    """Return extraction parameters from a preset name, a file, plain values, or themselves."""
    if isinstance(params, ExtractionConfig):
        return params
    if isinstance(params, dict):
        return validate_config(params, "params", ExtractionConfig)
    return load_config(str(params), "extract", ExtractionConfig)


def _run(
    cohort: Cohort,
    config: ExtractionConfig,
    execution: ExecutionConfig,
    *,
    store: str | None,
    force: bool,
    journal: Journal | None = None,
    progress: Progress | None = None,
    finish: Callable[[ExtractionRun], None] = lambda run: None,
) -> ExtractionRun:
    items = [(case.id, CaseWork(case, config, store, force)) for case in cohort]
    results: dict[str, CaseResult] = {}
    failed: dict[str, Failed] = {}
    outcomes = map_cases(measure_case, items, execution, on_retry=_note_retry(journal))
    for number, outcome in enumerate(outcomes, start=1):
        if isinstance(outcome, Failed):
            failed[outcome.id] = outcome
        else:
            results[outcome.id] = outcome.value
        if journal is not None:
            _journal(journal, outcome)
        if progress is not None:
            progress(outcome, number, len(items))
    computed = sum(result.computed for result in results.values())
    run = ExtractionRun(
        feature_table(cohort, results, config), failure_table(cohort, failed), computed,
        len(results) - computed,
        len(items),
    )  # fmt: skip
    finish(run)
    if not results:
        first = next(iter(failed.values()))
        raise NothingSucceededError(
            f"none of {len(items)} cases succeeded; the first, '{first.id}', failed with "
            f"{first.code}: {first.message}"
        )
    return run


def _note_retry(journal: Journal | None) -> Callable[[str], None]:
    def note(case_id: str) -> None:
        logger.warning("the worker of case %s died; trying once more", case_id)
        if journal is not None:
            journal.write(case_id, "", "retried")

    return note


def _journal(journal: Journal, outcome: Outcome) -> None:
    if isinstance(outcome, Failed):
        journal.write(outcome.id, "", "failed", code=outcome.code)
    elif outcome.value.computed:
        journal.write(outcome.id, outcome.value.key, "done", seconds=round(outcome.seconds, 3))


def _write(run: ExtractionRun, folder: Path, record: RunRecord) -> None:
    """Write the products whole, features.csv last: where it stands, the run is complete."""
    complete = run.computed + run.reused + len(run.failures) == run.cases
    if not (complete and run.table.ids):
        # What an earlier run left here is not the product of this one.
        for name in ("features.csv", "features.parquet", "features.json"):
            (folder / name).unlink(missing_ok=True)
    write_text_table(run.failures, folder / "failures.csv")
    counts = {
        "cases": run.cases,
        "computed": run.computed,
        "reused": run.reused,
        "failed": len(run.failures),
        "rows": len(run.table.ids),
        "features": len(run.table.names),
    }
    document = json.dumps(record.finish(**counts), indent=1, ensure_ascii=False)
    write_text(folder / "run.json", document + "\n")
    if complete and run.table.ids:
        write_feature_table(run.table, folder / "features.csv", notes=(NOTE_COLUMN,))
