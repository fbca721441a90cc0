"""extract --dry-run: what there is to do, and how long it may take, without writing anything."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.errors import CaseError
from harmonize_kit.execution import Failed, count_workers, map_cases
from harmonize_kit.features import Engine
from harmonize_kit.flows.case import CaseWork, case_files, measure_case
from harmonize_kit.flows.extract import DEFAULT_PARAMS
from harmonize_kit.flows.plan import find_kept, plan_extraction
from harmonize_kit.storage.results import ResultStore

SAMPLE = 5
SAMPLE_SECONDS = 60.0


@dataclass(frozen=True)
class Estimate:
    """What a run would do.

    Parameters
    ----------
    cases, kept : int
        Cases the run would see to, and those of them whose result is there already.
    problems : tuple of str
        What is wrong with cases as far as can be told without measuring, and with those of the
        sample.
    sample : int
        Cases that were measured to learn the time one takes.
    workers : int
        Processes the estimate counts on.
    seconds, low, high : float or None
        Expected wall time, and its range; None where nothing could be timed.
    """

    cases: int
    kept: int
    problems: tuple[str, ...]
    sample: int
    workers: int
    seconds: float | None = None
    low: float | None = None
    high: float | None = None


def estimate_extraction(
    cohort_path: Path,
    folder: Path,
    params: str = DEFAULT_PARAMS,
    execution: ExecutionConfig | None = None,
    *,
    force: bool = False,
    id_column: str | None = None,
    robustness: RobustnessConfig | None = None,
    engine: Engine = "auto",
    voxel: bool = False,
) -> Estimate:
    """Say what extracting a cohort into ``folder`` would do; nothing is written.

    With ``robustness``, what measuring it under perturbations would do.

    A few cases, evenly spread over those to do, are measured in this process for up to a minute.
    The range of the time is that of two standard errors of their mean, no wider than the fastest
    and slowest of them would make it; cases of other sizes than these may still surprise.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the parameters are not usable.
    """
    execution = execution or ExecutionConfig()
    plan = plan_extraction(
        cohort_path, folder, params, execution,
        force=force, id_column=id_column, robustness=robustness, engine=engine, voxel=voxel,
    )  # fmt: skip
    kept = {} if force else find_kept(plan.own, ResultStore(folder / "cases"))
    pending = [work for work in plan.own if work.case.id not in kept]
    problems: dict[str, str] = {}
    sound: list[CaseWork] = []
    for work in pending:
        try:
            case_files(work.case)
            sound.append(work)
        except CaseError as error:
            problems[work.case.id] = f"{work.case.id}: {error.code}: {error.message}"
    times: list[float] = []
    for outcome in map_cases(measure_case, _sample(sound), ExecutionConfig(workers=1)):
        if isinstance(outcome, Failed):
            problems[outcome.id] = f"{outcome.id}: {outcome.code}: {outcome.message}"
        times.append(outcome.seconds)
        if sum(times) > SAMPLE_SECONDS:
            break
    told = tuple(problems[work.case.id] for work in pending if work.case.id in problems)
    workers = count_workers(execution, len(pending))
    found = Estimate(len(plan.own), len(kept), told, len(times), workers)
    if not times:
        return found
    mean = statistics.fmean(times)
    error = statistics.stdev(times) / math.sqrt(len(times)) if len(times) > 1 else 0.0
    rounds = len(sound) / workers
    return replace(
        found,
        seconds=rounds * mean,
        low=rounds * max(min(times), mean - 2 * error),
        high=rounds * min(max(times), mean + 2 * error),
    )


def _sample(works: Sequence[CaseWork]) -> list[tuple[str, CaseWork]]:
    """Return up to five works, evenly spread, that keep nothing."""
    count = min(SAMPLE, len(works))
    chosen = [works[(2 * place + 1) * len(works) // (2 * count)] for place in range(count)]
    return [(work.case.id, replace(work, store=None, journal=None)) for work in chosen]
