"""Working through the cases of a plan: what is kept stays, what is new is done, all is noted."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import CaseError, ConfigError, IntegrityError, NothingSucceededError
from harmonize_kit.execution import Done, Failed, map_cases
from harmonize_kit.flows.assemble import Regions
from harmonize_kit.flows.case import CaseResult, CaseWork, cannot_write, measure_case, result_key
from harmonize_kit.flows.plan import Plan, find_kept, look_at_others
from harmonize_kit.provenance import Journal
from harmonize_kit.storage.results import ResultStore
from harmonize_kit.storage.whole import remove_abandoned

JOURNAL = "journal.jsonl"
Outcome = Done[CaseResult] | Failed
Progress = Callable[[Outcome | None, int, int], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CasesRun:
    """What became of the cases of a plan.

    Parameters
    ----------
    regions_of : callable
        Returns the regions of a case from the kept results, or None where it has none.
    succeeded : frozenset of str
        Ids of the cases that have a result.
    failed : mapping of str to Failed
    computed : int
        Cases measured now.
    to_do : int
        Cases without result or failure: the run was stopped, or other shards are not done.
    """

    regions_of: Regions
    succeeded: frozenset[str]
    failed: Mapping[str, Failed]
    computed: int
    to_do: int


def run_cases(
    plan: Plan,
    folder: Path,
    execution: ExecutionConfig,
    *,
    force: bool,
    progress: Progress,
    products: Sequence[str],
) -> CasesRun:
    """Measure what ``folder`` does not hold yet, and look at what other shards have done.

    ``products`` are the files that an earlier run may have left; they go once a case is done that
    they do not know of.

    Raises
    ------
    ConfigError
        If the folder cannot be written to; nothing was started.
    OutputError
        If the folder takes no more; what is done is kept.
    """
    _open_folder(folder)
    store, failures = ResultStore(folder / "cases"), ResultStore(folder / "failures")
    kept = {} if force else find_kept(plan.own, store)
    keys, failed, computed = _work_through(plan, folder, kept, execution, progress, products)
    to_do = len(plan.own) - len(keys) - len(failed)
    if plan.others and not to_do:
        other_keys, other_failed, to_do = look_at_others(plan.others, store, failures)
        keys, failed = keys | other_keys, failed | other_failed
    return CasesRun(_reader(keys, store), frozenset(keys), failed, computed, to_do)


def _open_folder(folder: Path) -> None:
    """Make the folder ready, and clear away what a run that was killed left half done."""
    try:
        (folder / "cases").mkdir(parents=True, exist_ok=True)
        if not os.access(folder / "cases", os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to ({error.strerror})") from error
    Journal(folder / JOURNAL).mend()
    for stale in (folder, folder / "cases"):
        remove_abandoned(stale)


def _work_through(
    plan: Plan,
    folder: Path,
    kept: Mapping[str, str],
    execution: ExecutionConfig,
    progress: Progress,
    products: Sequence[str],
) -> tuple[dict[str, str], dict[str, Failed], int]:
    """Measure what is not kept; return keys, failures, and how many cases were measured."""
    journal, failures = Journal(folder / JOURNAL), ResultStore(folder / "failures")
    works = {work.case.id: work for work in plan.own}
    pending = [item for item in works.items() if item[0] not in kept]
    keys, failed, computed = dict(kept), dict[str, Failed](), 0

    def note_retry(case_id: str) -> None:
        logger.warning("the worker of case %s died; trying once more", case_id)
        with writing(folder):
            journal.write(case_id, _known_key(works[case_id]), "retried")

    progress(None, len(kept), len(works))
    with closing(map_cases(measure_case, pending, execution, on_retry=note_retry)) as outcomes:
        for number, outcome in enumerate(outcomes, start=1):
            with writing(folder):
                if number == 1:
                    remove_products(folder, products)
                if isinstance(outcome, Failed):
                    failed[outcome.id] = outcome
                    key = _known_key(works[outcome.id])
                    journal.write(outcome.id, key, "failed", code=outcome.code)
                    if key and execution.shard is not None:
                        document = {"code": outcome.code, "message": outcome.message}
                        failures.write(key, {"id": outcome.id, **document})
                else:
                    keys[outcome.id] = outcome.value["key"]
                    computed += outcome.value["computed"]
                    if outcome.value["computed"] and works[outcome.id].journal is None:
                        seconds = round(outcome.seconds, 3)
                        journal.write(outcome.id, keys[outcome.id], "done", seconds=seconds)
            progress(outcome, len(kept) + number, len(works))
    return keys, failed, computed


def _known_key(work: CaseWork) -> str:
    """Return the key of a case that failed; empty where its files are not there to digest."""
    try:
        return result_key(work)
    except (CaseError, OSError):
        return ""


def _reader(keys: Mapping[str, str], store: ResultStore) -> Regions:
    def regions_of(case: Case) -> list[dict[str, Any]] | None:
        if case.id not in keys:
            return None
        result = store.read(keys[case.id])
        if result is None:
            raise IntegrityError(
                f"the result of case '{case.id}' was removed or damaged while the table was made; "
                "run the same again"
            )
        return result["regions"]

    return regions_of


def require_success(
    cohort: Cohort, succeeded: Container[str], failed: Mapping[str, Failed]
) -> None:
    """Raise NothingSucceededError, with the first reason, if every case failed."""
    first = next((failed[case.id] for case in cohort if case.id in failed), None)
    if first is not None and not any(case.id in succeeded for case in cohort):
        raise NothingSucceededError(
            f"none of {len(cohort)} cases succeeded; the first, '{first.id}', failed with "
            f"{first.code}: {first.message}"
        )


@contextmanager
def writing(folder: Path) -> Generator[None]:
    """Say of an error of the output folder that it is one."""
    try:
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


def remove_products(folder: Path, products: Sequence[str]) -> None:
    """Remove what an earlier run left, so that it is not taken for the product of this one."""
    for name in products:
        (folder / name).unlink(missing_ok=True)
