"""preprocess --dry-run: what there is to do in which case, and how long it may take."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.preprocess import PreprocessingConfig
from harmonize_kit.core.cohort import Cohort
from harmonize_kit.errors import CaseError
from harmonize_kit.execution import Done, count_workers, map_cases
from harmonize_kit.flows.output_folder import JOURNAL
from harmonize_kit.flows.preprocess_case import of_stage
from harmonize_kit.flows.preprocess_plan import DEFAULT_CONFIG, Options, Plan, plan_preprocessing
from harmonize_kit.flows.preprocess_population import fit_in_memory, summarize_scans
from harmonize_kit.flows.preprocess_stages import STAGES
from harmonize_kit.flows.preprocess_tables import count_by_class
from harmonize_kit.flows.preprocess_work import CONVERT, NORMALIZE, READ, WRITE, PreprocessWork
from harmonize_kit.storage.itk import one_thread

SAMPLE = 3
SAMPLE_SECONDS = 60.0


@dataclass(frozen=True)
class PreprocessingEstimate:
    """What a run would do.

    Parameters
    ----------
    cases, kept : int
        Cases the run would see to, and those of them that are done already.
    to_do : mapping of str to tuple of str
        Stages that would be done, by the id of each other case.
    problems : tuple of str
        What is wrong with cases, as far as can be told.
    classes : mapping
        As of a run, with no case done now.
    notes : tuple of str
        What the user must know.
    timed_by : str
        What the time is judged by: earlier runs, or some of the cases.
    workers : int
        Processes the time counts on.
    seconds : float or None
        Expected wall time; None where nothing could be timed.
    at_least : bool
        Whether a timed case was not finished when its minute was over: then it takes longer.
    """

    cases: int
    kept: int
    to_do: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]
    classes: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()
    timed_by: str = ""
    workers: int = 1
    seconds: float | None = None
    at_least: bool = False


def estimate_preprocessing(
    cohort: Cohort | Path,
    folder: Path,
    config: PreprocessingConfig | str | Path | dict[str, Any] = DEFAULT_CONFIG,
    execution: ExecutionConfig | None = None,
    options: Options | None = None,
) -> PreprocessingEstimate:
    """Say what preprocessing a cohort into ``folder`` would do; nothing is written.

    Where earlier runs into the folder timed every stage that is to do, their means tell the time.
    Otherwise up to three cases are taken through their stages in this process, for a minute.

    Raises
    ------
    TableError, ConfigError
        If the cohort or the configuration is not usable.
    """
    execution, options = execution or ExecutionConfig(), options or Options()
    plan = _with_known_model(plan_preprocessing(cohort, folder, config, execution, options))
    own = [work for work in plan.works if work.id in plan.own]
    kept: dict[str, str] = {}
    to_do: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for work in own:
        try:
            steps = work.plan_steps()
        except (CaseError, OSError) as error:
            to_do[work.id] = ()
            problems.append(f"{work.id}: {getattr(error, 'code', 'UNREADABLE')}: {error}")
            continue
        done = work.count_kept(steps)
        if plan.training and NORMALIZE in work.steps and work.model is None:
            # What the model will be is not known yet, nor what it gives.
            done = min(done, work.steps.index(NORMALIZE))
        if done == len(steps):
            kept[work.id] = steps[-1].key
        else:
            to_do[work.id] = work.steps[done:]
    sound = [work for work in own if to_do.get(work.id)]
    seconds, timed_by, at_least = _time(sound, to_do, folder)
    workers = count_workers(execution, max(len(sound), 1))
    return PreprocessingEstimate(
        len(own), len(kept), to_do, tuple(problems),
        count_by_class(plan.source, {}, kept, {}), (*plan.source.notes, *plan.notes),
        timed_by, workers, None if seconds is None else seconds / workers, at_least,
    )  # fmt: skip


def _with_known_model(plan: Plan) -> Plan:
    """Return the plan with the intensity model it will have, if all it is fitted on is kept."""
    if not plan.training:
        return plan
    records: list[dict[str, Any] | None] = []
    for work in plan.summarizing():
        try:
            key = work.plan_steps()[-1].key
        except (CaseError, OSError):
            return plan
        records.append(None if work.forced else work.kept.find(key))
    summaries = [record["decided"]["summaries"] for record in records if record is not None]
    if len(summaries) < len(records):
        return plan
    return plan.with_model(("", fit_in_memory(summaries, plan.config.normalize)[1]))


def _time(
    works: Sequence[PreprocessWork], to_do: Mapping[str, tuple[str, ...]], folder: Path
) -> tuple[float | None, str, bool]:
    """Return the seconds of all on one worker, how they are known, and whether it takes longer."""
    if not works:
        return None, "", False
    known = _earlier_times(folder / JOURNAL)
    stages = [stage for work in works for stage in to_do[work.id]]
    if all(stage in known for stage in stages):
        return sum(known[stage] for stage in stages), "earlier runs", False
    times: list[float] = []
    finished = True
    items = [(work.id, work) for work in works[:SAMPLE]]
    for outcome in map_cases(_time_case, items, ExecutionConfig(workers=1)):
        if isinstance(outcome, Done):
            times.append(outcome.value["seconds"])
            finished = outcome.value["finished"]
        if sum(times) > SAMPLE_SECONDS / 2:
            break
    if not times:
        return None, "", False
    # The first case also pays for what is loaded once.
    mean = statistics.fmean(times[1:] or times)
    return mean * len(works), f"{len(times)} of the cases", not finished


def _earlier_times(journal: Path) -> dict[str, float]:
    """Return the mean seconds of each stage that was done before."""
    times: dict[str, list[float]] = {}
    if journal.is_file():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "done" and "seconds" in event:
                times.setdefault(event["stage"], []).append(event["seconds"])
    return {stage: sum(listed) / len(listed) for stage, listed in times.items()}


def _time_case(work: PreprocessWork) -> dict[str, Any]:
    """Take a case through all of its stages, keeping nothing, until the time is over."""
    start = time.perf_counter()
    with one_thread():
        with of_stage(READ):
            scans = work.source.read(convert=work.steps[0] == CONVERT).scans
        for name in work.steps:
            if time.perf_counter() - start > SAMPLE_SECONDS:
                return {"seconds": time.perf_counter() - start, "finished": False}
            if name in (CONVERT, WRITE):
                continue
            with of_stage(name):
                fitted = None
                if name == NORMALIZE and work.config.normalize.to_fit(scans.images):
                    summaries = summarize_scans(scans, work.config.normalize).decided["summaries"]
                    # Two cases are the fewest to fit on; only the time is of interest here.
                    fitted, _ = fit_in_memory([summaries, summaries], work.config.normalize)
                scans = STAGES[name].run(scans, work.config, fitted).scans
    return {"seconds": time.perf_counter() - start, "finished": True}
