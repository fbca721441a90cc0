"""Working through the cases of a plan: what is kept stays, what is new is done, all is noted."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import CaseError, IntegrityError, NothingSucceededError
from harmonize_kit.execution import Done, Failed
from harmonize_kit.flows.assemble import Regions
from harmonize_kit.flows.case import CaseResult, CaseWork, measure_case, result_key
from harmonize_kit.flows.output_folder import open_folder
from harmonize_kit.flows.plan import Plan, find_kept, look_at_others
from harmonize_kit.flows.work_through import work_through
from harmonize_kit.storage.results import ResultStore

Outcome = Done[CaseResult] | Failed
Progress = Callable[[Outcome | None, int, int], None]


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
    open_folder(folder, [folder / "cases"])
    store, failures = ResultStore(folder / "cases"), ResultStore(folder / "failures")
    kept = {} if force else find_kept(plan.own, store)
    works = {work.case.id: work for work in plan.own}
    keys, failed, computed = work_through(
        measure_case, works, kept, folder, execution,
        key_of=_known_key, products=products, progress=progress,
    )  # fmt: skip
    to_do = len(plan.own) - len(keys) - len(failed)
    if plan.others and not to_do:
        other_keys, other_failed, to_do = look_at_others(plan.others, store, failures)
        keys, failed = keys | other_keys, failed | other_failed
    return CasesRun(_reader(keys, store), frozenset(keys), failed, computed, to_do)


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
