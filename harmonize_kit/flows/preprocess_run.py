"""Working through the cases of a plan: one pass for what an intensity model needs, one for all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import CaseError, NothingSucceededError
from harmonize_kit.execution import Done, Failed, map_cases
from harmonize_kit.flows.output_folder import JOURNAL, remove_products, writing
from harmonize_kit.flows.preprocess_case import CaseResult, preprocess_case
from harmonize_kit.flows.preprocess_kept import RECORDS
from harmonize_kit.flows.preprocess_log import RunLog
from harmonize_kit.flows.preprocess_plan import Plan, find_done
from harmonize_kit.flows.preprocess_population import fit_model
from harmonize_kit.flows.preprocess_work import CASES, WRITE, PreprocessWork
from harmonize_kit.provenance import Journal
from harmonize_kit.storage.results import OWNER_LENGTH, ResultStore, owner_of

FAILURES = "failures"
MODEL = "models/intensity"
PRODUCTS = ("cohort.csv", "quality.csv")
Progress = Callable[[Done[CaseResult] | Failed | None, int, int], None]
Made = dict[str, list[tuple[str, str, float, float]]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CasesRun:
    """What became of the cases of a plan.

    Parameters
    ----------
    plan : Plan
        With the intensity model, where one was fitted.
    keys : mapping of str to str
        Key of the record of each finished case, by id.
    failed : mapping of str to Failed
    made : mapping
        Steps that were done now, by id.
    to_do : int
        Cases without result or failure: the run was stopped, or other shards are not done.
    """

    plan: Plan
    keys: Mapping[str, str]
    failed: Mapping[str, Failed]
    made: Made = field(default_factory=dict[str, list[tuple[str, str, float, float]]])
    to_do: int = 0


def run_plan(
    plan: Plan, folder: Path, execution: ExecutionConfig, progress: Progress, log: RunLog
) -> CasesRun:
    """Take every case of this shard through what is not kept yet.

    Raises
    ------
    OutputError
        If the folder takes no more; what is done is kept.
    NothingSucceededError
        If no training case came as far as the intensity model needs it.
    """
    made: Made = {}
    failed: dict[str, Failed] = {}
    if plan.training:
        keys, failed = _work_through(plan.summarizing(), folder, execution, progress, log, made)
        left = len(plan.training) - len(keys) - len(failed)
        if left:
            return CasesRun(plan, {}, failed, made, len(plan.works) - len(failed))
        plan = plan.with_model(_fit(plan, keys, failed, folder))
    own = [work for work in plan.works if work.id in plan.own and work.id not in failed]
    keys, more = _work_through(own, folder, execution, progress, log, made)
    failed |= more
    to_do = len(plan.own) - len(keys) - len(failed)
    others = [work for work in plan.works if work.id not in plan.own]
    if others and not to_do:
        other_keys, other_failed, to_do = _look_at_others(others, ResultStore(folder / FAILURES))
        keys, failed = keys | other_keys, failed | other_failed
    return CasesRun(plan, keys, failed, made, to_do)


def _fit(
    plan: Plan, keys: Mapping[str, str], failed: Mapping[str, Failed], folder: Path
) -> tuple[str, str]:
    """Fit the intensity model on the training cases that came through, in the cohort's order."""
    first = plan.works[0]
    records = [first.kept.find(keys[case.id]) for case in plan.cohort if case.id in keys]
    summaries = [record["decided"]["summaries"] for record in records if record is not None]
    if not summaries:
        reason = next(iter(failed.values()))
        raise NothingSucceededError(
            f"none of {len(plan.training)} training cases succeeded, so there is nothing to fit on;"
            f" '{reason.id}' failed at {reason.stage} with {reason.code}: {reason.message}"
        )
    with writing(folder):
        return fit_model(summaries, plan.config.normalize, folder / MODEL)


def _work_through(
    works: Sequence[PreprocessWork],
    folder: Path,
    execution: ExecutionConfig,
    progress: Progress,
    log: RunLog,
    made: Made,
) -> tuple[dict[str, str], dict[str, Failed]]:
    """Do what is not done; return the last key of each finished case, and the failures."""
    by_id = {work.id: work for work in works}
    keys = find_done(works)
    kept = len(keys)
    pending = [item for item in by_id.items() if item[0] not in keys]
    failed: dict[str, Failed] = {}
    notes = _Notes(folder, execution, by_id)
    progress(None, kept, len(works))
    with closing(
        map_cases(preprocess_case, pending, execution, on_retry=notes.retried)
    ) as outcomes:
        for number, outcome in enumerate(outcomes, start=1):
            with writing(folder):
                if number == 1:
                    remove_products(folder, PRODUCTS)
                if isinstance(outcome, Failed):
                    failed[outcome.id] = notes.failed(outcome)
                    log.failed(failed[outcome.id])
                else:
                    keys[outcome.id] = outcome.value["key"]
                    made.setdefault(outcome.id, []).extend(outcome.value["made"])
                    notes.done(outcome)
                    log.done(outcome.id, outcome.value["made"])
            progress(outcome, kept + number, len(works))
    with writing(folder):
        notes.make_up()
    return keys, failed


class _Notes:
    """What the driver writes down of outcomes."""

    def __init__(
        self, folder: Path, execution: ExecutionConfig, works: Mapping[str, PreprocessWork]
    ) -> None:
        self.journal = Journal(folder / JOURNAL)
        self.failures = ResultStore(folder / FAILURES)
        self.folder, self.execution, self.works = folder, execution, works

    def retried(self, case_id: str) -> None:
        """Note that a case is tried once more, since its worker died."""
        logger.warning("the worker of case %s died; trying once more", case_id)
        with writing(self.folder):
            self.journal.write(case_id, self._keys(case_id)[-1], "retried")

    def done(self, outcome: Done[CaseResult]) -> None:
        """Note the steps of a case whose worker could not."""
        if self.works[outcome.id].journal is None:
            for stage, key, seconds, spent in outcome.value["made"]:
                self.journal.write(
                    outcome.id, key, "done", stage=stage, seconds=seconds, cpu_seconds=spent
                )

    def failed(self, outcome: Failed) -> Failed:
        """Note a failure, with the step at which it came, and return it."""
        work, keys = self.works[outcome.id], self._keys(outcome.id)
        stage = outcome.stage
        if not stage and keys[0] and not work.forced:
            # Whoever dies or is stopped says nothing, but what came before is kept.
            stage = work.steps[min(work.count_kept(work.plan_steps()), len(work.steps) - 1)]
        message = work.source.without_names(outcome.message)
        found = replace(outcome, stage=stage or "run", message=message)
        place = work.steps.index(stage) if stage in work.steps else 0
        key = keys[min(place, len(keys) - 1)]
        self.journal.write(outcome.id, key, "failed", stage=found.stage, code=found.code)
        if keys[-1] and self.execution.shard is not None:
            document = {"stage": found.stage, "code": found.code, "message": found.message}
            self.failures.write(keys[-1], {"id": outcome.id, **document})
        return found

    def make_up(self) -> None:
        """Note the steps that are kept and that nobody could note.

        Their worker was killed too early, or elsewhere it finished them before its case failed.
        """
        owners = {owner_of(case_id): case_id for case_id in self.works}
        done = self.journal.done()
        for name in (RECORDS, CASES):
            store = ResultStore(self.folder / name)
            for key in store.all_keys():
                case_id = owners.get(key[:OWNER_LENGTH])
                record = None if case_id is None or key in done else store.read(key)
                if case_id is not None and record is not None:
                    stage = record["stage"] if name == RECORDS else WRITE
                    self.journal.make_up(case_id, key, done, stage=stage)

    def _keys(self, case_id: str) -> list[str]:
        """Return the keys of the steps of a case; one empty key where its files cannot be read."""
        try:
            return [step.key for step in self.works[case_id].plan_steps()]
        except (CaseError, OSError):
            return [""]


def _look_at_others(
    works: Sequence[PreprocessWork], failures: ResultStore
) -> tuple[dict[str, str], dict[str, Failed], int]:
    """Return what came of the cases of other shards: keys, failures, and how many are to do.

    Files are digested only once every case has left something, so that of many shards only the
    last one reads the cohort.
    """
    owners = works[0].cases.owners() | failures.owners()
    silent = [work for work in works if owner_of(work.id) not in owners]
    to_do = sum(_failure_of(work, failures, digest=False) is None for work in silent)
    if to_do:
        return {}, {}, to_do
    works = [replace(work, forced=()) for work in works]
    keys = find_done(works)
    failed: dict[str, Failed] = {}
    for work in works:
        failure = None if work.id in keys else _failure_of(work, failures, digest=True)
        if failure is not None:
            failed[work.id] = failure
    return keys, failed, len(works) - len(keys) - len(failed)


def _failure_of(work: PreprocessWork, failures: ResultStore, *, digest: bool) -> Failed | None:
    """Return the failure that another shard noted for a case, or that is plain to see."""
    try:
        work.source.files()
        noted: dict[str, Any] | None = None
        if digest:
            noted = failures.read(work.plan_steps()[-1].key)
    except CaseError as error:
        return Failed(work.id, error.code, error.message, stage="read")
    if noted is None:
        return None
    return Failed(work.id, noted["code"], noted["message"], stage=noted["stage"])
