"""robustness: which features of a cohort withstand small changes of image and mask."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import validate_config
from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.core.cohort import Cohort
from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import NothingSucceededError, TableError
from harmonize_kit.execution import Failed, map_cases
from harmonize_kit.features import describe_provider
from harmonize_kit.features.perturbation import perturbations
from harmonize_kit.flows.assemble import failure_table
from harmonize_kit.flows.case import CaseWork, measure_case
from harmonize_kit.flows.extract import DEFAULT_PARAMS
from harmonize_kit.flows.output_folder import remove_products, writing
from harmonize_kit.flows.plan import load_params, plan_extraction
from harmonize_kit.flows.robustness_table import agreement_table, grade_table, measurement_table
from harmonize_kit.flows.run_cases import Progress, require_success, run_cases
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.whole import write_text

PRODUCTS = ("robustness.csv", "measurements.parquet")
Results = Mapping[str, Sequence[Mapping[str, Any]]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RobustnessRun:
    """What came of a robustness study.

    Parameters
    ----------
    table : DataFrame or None
        One row a feature, as :func:`robustness` returns it; None while there are cases to do.
    failures : DataFrame
        Columns id, stage, code, message, in the cohort's order.
    incomplete : mapping of str to str
        By case id, the first perturbation that left nothing to measure, and why.
    computed, reused, cases, to_do : int
        As in an extraction.
    """

    table: pd.DataFrame | None
    failures: pd.DataFrame
    incomplete: Mapping[str, str]
    computed: int
    reused: int
    cases: int
    to_do: int = 0

    @property
    def summary(self) -> dict[str, dict[str, int]]:
        """How many features of each family can be relied on how far; see :func:`.grade`."""
        return {} if self.table is None else grade_table(self.table)


def robustness(
    cohort: Cohort | str | Path,
    params: ExtractionConfig | str | Path | dict[str, Any] = DEFAULT_PARAMS,
    config: RobustnessConfig | dict[str, Any] | None = None,
    workers: int | str = "auto",
) -> pd.DataFrame:
    """Measure how far each feature agrees with itself when image and mask are perturbed.

    Every case is measured as it is and under each perturbation: translations by parts of a voxel,
    rotations, noise, and growth and shrinkage of the mask. ICC(2,1) is the share of a feature's
    variance that lies between cases: near 1, a feature tells cases apart whatever the
    perturbation; near 0, it tells perturbations apart.

    Parameters
    ----------
    cohort : Cohort or path
        At least two cases, and better fifty: the interval says how well few cases can tell.
    params : preset, path, dict or ExtractionConfig
        A PyRadiomics parameter file works unchanged.
    config : dict or RobustnessConfig, optional
        ``translations``, ``rotations``, ``noise``, ``volume_changes``, ``seed``, ``confidence``.
    workers : int or "auto"
        Processes. With more than one, call from a script under ``if __name__ == "__main__":``.

    Returns
    -------
    DataFrame
        One row a feature: ``feature``, ``icc``, ``low``, ``high``, ``n_cases``,
        ``n_perturbations``, filter, family, unit and IBSI code, and icc, low, high and n_cases for
        each kind of perturbation; empty where the feature does not vary.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the parameters are not usable; nothing was started.
    NothingSucceededError
        If fewer than two cases succeeded.

    References
    ----------
    Zwanenburg et al. 2019, Scientific Reports 9:614 (which reports ICC(1,1)).
    """
    own = cohort if isinstance(cohort, Cohort) else read_cohort(Path(cohort))
    _require_two(own)
    settings = _settings(config)
    execution = validate_config({"workers": workers}, "workers", ExecutionConfig)
    chosen = load_params(params)
    results: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, Failed] = {}
    items = [(case.id, CaseWork(case, chosen, robustness=settings)) for case in own]
    for outcome in map_cases(measure_case, items, execution):
        if isinstance(outcome, Failed):
            failed[outcome.id] = outcome
            logger.warning("case %s failed: %s %s", outcome.id, outcome.code, outcome.message)
        else:
            results[outcome.id] = outcome.value["regions"]
    require_success(own, results, failed)
    _require_two_results(results, own)
    ordered = {case.id: results[case.id] for case in own if case.id in results}
    return agreement_table(ordered, perturbations(settings), settings.confidence)


def robustness_to_folder(
    cohort_path: Path,
    folder: Path,
    params: str = DEFAULT_PARAMS,
    config: RobustnessConfig | dict[str, Any] | None = None,
    execution: ExecutionConfig | None = None,
    *,
    force: bool = False,
    id_column: str | None = None,
    progress: Progress = lambda outcome, done, total: None,
) -> RobustnessRun:
    """Write ``robustness.csv``, ``measurements.parquet``, ``failures.csv`` and ``run.json``.

    Cases that were measured before under the same content, parameters, perturbations and versions
    are not measured again.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the settings are not usable; nothing was started.
    NothingSucceededError
        If fewer than two cases succeeded; failures.csv says why.
    OutputError
        If the folder takes no more; what is done is kept.
    """
    execution, settings = execution or ExecutionConfig(), _settings(config)
    plan = plan_extraction(
        cohort_path, folder, params, execution,
        force=force, id_column=id_column, robustness=settings,
    )  # fmt: skip
    _require_two(plan.cohort)
    record = RunRecord(
        "robustness",
        {
            "parameters": plan.config.parameters(),
            "params": Path(params).name,
            "robustness": settings.model_dump(mode="json"),
            "execution": execution.model_dump(mode="json", exclude={"scheduler"}),
            "provider": describe_provider(),
        },
        {cohort_path.name: digest_file(cohort_path)},
    )
    done = run_cases(plan, folder, execution, force=force, progress=progress, products=PRODUCTS)
    results: dict[str, list[dict[str, Any]]] = {}
    if not done.to_do:
        for case in plan.cohort:
            regions = done.regions_of(case)
            if regions is not None:
                results[case.id] = regions
    table = (
        agreement_table(results, perturbations(settings), settings.confidence)
        if len(results) > 1
        else None
    )
    run = RobustnessRun(
        table, failure_table(plan.cohort, done.failed), _incomplete(results), done.computed,
        len(done.succeeded) - done.computed, len(plan.own if done.to_do else plan.cohort),
        done.to_do,
    )  # fmt: skip
    if execution.shard is None or not done.to_do:
        with writing(folder):
            _write(run, results, folder, record)
        require_success(plan.cohort, done.succeeded, done.failed)
        if not done.to_do:
            _require_two_results(results, plan.cohort)
    return run


def _settings(config: RobustnessConfig | dict[str, Any] | None) -> RobustnessConfig:
    if isinstance(config, RobustnessConfig):
        return config
    return validate_config(config or {}, "robustness", RobustnessConfig)


def _require_two(cohort: Cohort) -> None:
    if len(cohort) < 2:
        raise TableError(
            f"{cohort.source}: robustness compares the spread under perturbation with that between "
            f"cases, so it needs at least two cases, got {len(cohort)}"
        )


def _require_two_results(results: Results, cohort: Cohort) -> None:
    if len(results) < 2:
        raise NothingSucceededError(
            f"robustness needs at least two cases, and {len(results)} of {len(cohort)} succeeded; "
            "failures.csv or the log says why the others did not"
        )


def _incomplete(results: Results) -> dict[str, str]:
    return {
        case_id: f"label {region['label']}, {name}: {reason}"
        for case_id, regions in results.items()
        for region in regions
        for name, reason in list(region["failed"].items())[:1]
    }


def _write(run: RobustnessRun, results: Results, folder: Path, record: RunRecord) -> None:
    """Write the products whole, robustness.csv last: where it stands, the run is complete."""
    write_text_table(run.failures, folder / "failures.csv")
    counts: dict[str, Any] = {
        "cases": run.cases,
        "computed": run.computed,
        "reused": run.reused,
        "failed": len(run.failures),
        "features": 0 if run.table is None else len(run.table),
        "incomplete": dict(run.incomplete),
    }
    document = json.dumps(record.finish(**counts), indent=1, ensure_ascii=False)
    write_text(folder / "run.json", document + "\n")
    if run.table is None:
        remove_products(folder, PRODUCTS)
        return
    write_text_table(measurement_table(results), folder / "measurements.parquet")
    write_text_table(run.table, folder / "robustness.csv")
