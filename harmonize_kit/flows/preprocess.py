"""preprocess: a cohort in, its images ready to measure out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.preprocess import PreprocessingConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import NothingSucceededError
from harmonize_kit.flows.output_folder import open_folder, writing
from harmonize_kit.flows.preprocess_kept import RECORDS
from harmonize_kit.flows.preprocess_log import RunLog
from harmonize_kit.flows.preprocess_plan import DEFAULT_CONFIG, Options, Plan, plan_preprocessing
from harmonize_kit.flows.preprocess_run import CasesRun, Progress, run_plan
from harmonize_kit.flows.preprocess_sheets import write_index
from harmonize_kit.flows.preprocess_stages import makers_of
from harmonize_kit.flows.preprocess_tables import (
    Record,
    cohort_table,
    count_by_class,
    failure_table,
    manifest_table,
    quality_of,
)
from harmonize_kit.flows.preprocess_work import CASES
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.whole import PREFIX, write_text


@dataclass(frozen=True)
class PreprocessingRun:
    """What came of preprocessing a cohort.

    Parameters
    ----------
    folder : Path
        Output folder; ``cohort.csv`` in it names the images.
    table : DataFrame or None
        The finished cases as a cohort table; None while there are cases to do.
    failures : DataFrame
        Columns id, stage, code, message, in the cohort's order.
    classes : mapping
        Counts of cases ``done`` now, ``kept`` from before, ``failed`` and ``to do``, by class.
    stages : mapping
        Of each stage that was done now: cases, and mean seconds and processor seconds of one.
    notes : tuple of str
        What the user must know.
    log : Path or None
        File of timestamped lines; None where there was nothing to do.
    quality : DataFrame or None
        Measures and flags of each image as it came, where the stage ran.
    """

    folder: Path
    table: pd.DataFrame | None
    failures: pd.DataFrame
    classes: Mapping[str, Mapping[str, int]]
    stages: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    notes: tuple[str, ...] = ()
    log: Path | None = None
    quality: pd.DataFrame | None = None

    def count(self, status: str) -> int:
        """Return how many cases are ``done``, ``kept``, ``failed`` or ``to do``."""
        return sum(counts[status] for counts in self.classes.values())


def preprocess_to_folder(
    cohort: Cohort | Path,
    folder: Path,
    config: PreprocessingConfig | str | Path | dict[str, Any] = DEFAULT_CONFIG,
    execution: ExecutionConfig | None = None,
    options: Options | None = None,
    progress: Progress = lambda outcome, done, total: None,
) -> PreprocessingRun:
    """Take a cohort through its stages into ``folder``.

    Every stage of every case is kept whole before the next one begins, under the digest of all
    that made it, so that a run that was stopped is taken up where it was, and a changed setting
    redoes its stage and what follows.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the configuration is not usable; nothing was started.
    NothingSucceededError
        If every case failed; failures.csv says why.
    OutputError
        If the folder takes no more, as when the disk is full; what is done is kept.
    """
    execution, options = execution or ExecutionConfig(), options or Options()
    plan = plan_preprocessing(cohort, folder, config, execution, options)
    record = RunRecord("preprocess", _choices(plan, config, execution, options), _inputs(plan))
    half = (path for place in ("images", "sheets") for path in (folder / place).rglob(f"{PREFIX}*"))
    needed = (folder / CASES, folder / RECORDS, Path(plan.works[0].work))
    open_folder(folder, needed, {path.parent for path in half})
    rows = {case.id: row for row, case in enumerate(plan.cohort, start=1)}
    with closing(RunLog(folder, rows)) as log:
        done = run_plan(plan, folder, execution, progress, log)
        run = _summarize(done, folder, log)
        if execution.shard is None or not done.to_do:
            with writing(folder):
                _write(run, done, folder, record)
            log.tell_end(run.classes, touched=bool(done.made or done.failed))
            _require_success(run, done)
    return run


def _choices(
    plan: Plan, config: object, execution: ExecutionConfig, options: Options
) -> dict[str, Any]:
    name = Path(config).name if isinstance(config, str | Path) else "given"
    return {
        "config": name,
        "preprocessing": plan.config.model_dump(mode="json", by_alias=True),
        "execution": execution.model_dump(mode="json", exclude={"scheduler"}),
        "classes": list(options.classes),
        "sheets": options.sheets,
        "made_by": {stage: makers_of(stage) for stage in plan.config.stages},
    }


def _inputs(plan: Plan) -> dict[str, str]:
    return {plan.source.name: plan.source.digest}


def _summarize(done: CasesRun, folder: Path, log: RunLog) -> PreprocessingRun:
    plan, source = done.plan, done.plan.source
    table = None
    quality = None
    if done.keys and not done.to_do:
        quality = quality_of(source, _reader(done), plan.config)
        table = cohort_table(source, _reader(done), quality)
    return PreprocessingRun(
        folder,
        table,
        failure_table(source, done.failed),
        count_by_class(source, done.made, done.keys, done.failed),
        _stage_times(done),
        (*source.notes, *plan.notes),
        log.path if done.made or done.failed else None,
        quality,
    )


def _reader(done: CasesRun) -> Any:
    cases = done.plan.works[0].cases

    def record_of(case: Case) -> Record | None:
        return cases.read(done.keys[case.id]) if case.id in done.keys else None

    return record_of


def _stage_times(done: CasesRun) -> dict[str, dict[str, float]]:
    times: dict[str, list[tuple[float, float]]] = {}
    for made in done.made.values():
        for stage, _, seconds, spent in made:
            times.setdefault(stage, []).append((seconds, spent))
    return {
        stage: {
            "cases": len(listed),
            "seconds": round(statistics.fmean(wall for wall, _ in listed), 3),
            "cpu_seconds": round(statistics.fmean(spent for _, spent in listed), 3),
        }
        for stage, listed in times.items()
    }


def _write(run: PreprocessingRun, done: CasesRun, folder: Path, record: RunRecord) -> None:
    """Write the tables whole, those that changed; cohort.csv last: with it the run is complete."""
    source, record_of = done.plan.source, _reader(done)
    changed = [
        _write_if_new(run.failures, folder / "failures.csv"),
        _write_if_new(manifest_table(source, record_of, done.failed), folder / "manifest.csv"),
    ]
    if done.plan.works[0].product.sheet:
        changed.append(write_index(source, record_of, done.failed, folder))
    if run.quality is not None:
        changed.append(_write_if_new(run.quality, folder / "quality.csv"))
    if run.table is not None:
        changed.append(_write_if_new(run.table, folder / "cohort.csv"))
    if not (done.made or done.failed or any(changed)) and (folder / "run.json").is_file():
        return
    finished = record.finish(
        cases=len(done.plan.cohort), done=run.count("done"), kept=run.count("kept"),
        failed=run.count("failed"), to_do=run.count("to do"), stages=run.stages,
    )  # fmt: skip
    document = json.dumps(finished, indent=1, ensure_ascii=False)
    write_text(folder / "run.json", document + "\n")


def _write_if_new(frame: pd.DataFrame, path: Path) -> bool:
    """Write a table unless it stands there as it is; return whether it was written."""
    if path.is_file():
        text = frame.to_csv(index=False, lineterminator="\n")
        if path.read_bytes() == text.encode():
            return False
    write_text_table(frame, path)
    return True


def _require_success(run: PreprocessingRun, done: CasesRun) -> None:
    if len(run.failures) and not done.keys:
        first = run.failures.iloc[0]
        raise NothingSucceededError(
            f"none of {len(done.plan.cohort)} cases succeeded; the first, '{first['id']}', failed "
            f"at {first['stage']} with {first['code']}: {first['message']}"
        )
