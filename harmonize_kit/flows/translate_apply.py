"""translate apply: a model of translation and a cohort in, images and a cohort out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import CaseError, NothingSucceededError
from harmonize_kit.execution import Failed
from harmonize_kit.flows.output_folder import open_folder, remove_products, writing
from harmonize_kit.flows.translate import ApplyOptions, CaseProgress
from harmonize_kit.flows.translate_case import TranslationWork, result_key, translate_case
from harmonize_kit.flows.translate_plan import (
    Plan,
    find_kept,
    known_key,
    plan_translation,
    serial,
)
from harmonize_kit.flows.translate_tables import (
    cohort_table,
    failure_table,
    flag_table,
    guard_table,
)
from harmonize_kit.flows.work_through import work_through
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.results import ResultStore
from harmonize_kit.storage.whole import write_text

PRODUCTS = ("cohort.csv", "guards.csv", "flags.csv")


@dataclass(frozen=True)
class TranslationRun:
    """What came of a translation.

    Parameters
    ----------
    folder : Path
    target : str
        The site that images are made to look like.
    table, guards, flags : DataFrame or None
        See :mod:`.translate_tables`; None while there are cases to do.
    failures : DataFrame
    computed, reused : int
        Cases done now, and cases whose result was there.
    copied : int
        Cases that were of the target already.
    to_do : int
        Cases without result or failure: the run was stopped, or other shards are not done.
    notes : tuple of str
        What the user must know.
    """

    folder: Path
    target: str
    table: pd.DataFrame | None
    guards: pd.DataFrame | None
    flags: pd.DataFrame | None
    failures: pd.DataFrame
    computed: int
    reused: int
    copied: int
    to_do: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TranslationEstimate:
    """What a translation would do: cases in all, those that are done, and what is wrong."""

    cases: int
    kept: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def apply_to_folder(
    model: Path,
    cohort_path: Path,
    folder: Path,
    options: ApplyOptions,
    execution: ExecutionConfig,
    progress: CaseProgress,
) -> TranslationRun:
    """Translate into ``folder``; see :func:`harmonize_kit.flows.translate.translate_cohort`."""
    execution = serial(model, execution)
    plan = plan_translation(model, cohort_path, folder, options, execution)
    record = RunRecord(
        "translate apply",
        {
            **asdict(options),
            "guards": plan.guards.model_dump(mode="json"),
            "device": plan.device,
            "model_sha256": plan.model_sha256,
            "execution": execution.model_dump(mode="json", exclude={"scheduler"}),
        },
        {cohort_path.name: digest_file(cohort_path)},
    )
    open_folder(folder, [folder / "cases"], folder.glob("images/*/"))
    works = {work.case.id: work for work in plan.own}
    keys, failed, computed = work_through(
        translate_case, works, find_kept(plan.own), folder, execution,
        key_of=known_key, products=PRODUCTS, progress=progress,
    )  # fmt: skip
    to_do = len(plan.own) - len(keys) - len(failed)
    if plan.others and not to_do:
        other_keys, other_failed, to_do = _look_at_others(plan.others, folder)
        keys, failed = keys | other_keys, failed | other_failed
    run = _summarize(plan, folder, keys, failed, computed, to_do)
    if execution.shard is None or not to_do:
        with writing(folder):
            _write(run, folder, record)
        _require_success(run, len(plan.cohort.cases))
    return run


def estimate_apply(
    model: Path, cohort_path: Path, folder: Path, options: ApplyOptions, execution: ExecutionConfig
) -> TranslationEstimate:
    """Tell what there is to do, and do nothing."""
    plan = plan_translation(model, cohort_path, folder, options, serial(model, execution))
    kept = find_kept(plan.own)
    problems: list[str] = []
    for work in plan.own:
        try:
            if work.case.lacks:
                problems.append(f"{work.case.id}: MISSING_FILE: {work.case.lacks}")
            work.case.source.files()
        except CaseError as error:
            problems.append(f"{work.case.id}: {error.code}: {error.message}")
    return TranslationEstimate(len(plan.own), len(kept), tuple(problems), plan.cohort.notes)


def _look_at_others(
    works: Sequence[TranslationWork], folder: Path
) -> tuple[dict[str, str], dict[str, Failed], int]:
    """Return what came of the cases of other shards: keys, failures, and how many are to do."""
    keys, failed = find_kept(works), dict[str, Failed]()
    failures = ResultStore(folder / "failures")
    for work in works:
        if work.case.id in keys:
            continue
        try:
            noted = failures.read(result_key(work))
        except CaseError as error:
            # Plain to see without its shard.
            noted = {"code": error.code, "message": error.message}
        if noted is not None:
            failed[work.case.id] = Failed(work.case.id, noted["code"], noted["message"])
    return keys, failed, len(works) - len(keys) - len(failed)


def _summarize(
    plan: Plan,
    folder: Path,
    keys: Mapping[str, str],
    failed: Mapping[str, Failed],
    computed: int,
    to_do: int,
) -> TranslationRun:
    store = ResultStore(folder / "cases")
    records = {case: store.read(key) for case, key in keys.items()}
    found = {case: record for case, record in records.items() if record is not None}
    complete = bool(keys) and not to_do
    copied = sum(not record["translated"] for record in found.values())
    notes = [*plan.cohort.notes]
    notes += [f"case {case}: {note}" for case in found for note in found[case]["notes"]]
    if copied:
        notes.append(
            f"{copied} cases are of '{plan.target}' already: their images are as they were"
        )
    return TranslationRun(
        folder, plan.target,
        cohort_table(plan.cohort, found.get) if complete else None,
        guard_table(plan.cohort, found.get) if complete else None,
        flag_table(plan.cohort, found.get) if complete else None,
        failure_table(plan.cohort, failed), computed, len(keys) - computed, copied, to_do,
        tuple(notes),
    )  # fmt: skip


def _write(run: TranslationRun, folder: Path, record: RunRecord) -> None:
    """Write the tables whole, cohort.csv last: where it stands, the run is complete."""
    write_text_table(run.failures, folder / "failures.csv")
    counts: dict[str, Any] = {
        "computed": run.computed, "reused": run.reused, "copied": run.copied,
        "failed": len(run.failures), "to_do": run.to_do,
        "flagged": 0 if run.flags is None else int(run.flags["id"].nunique()),
    }  # fmt: skip
    document = json.dumps(record.finish(**counts), indent=1, ensure_ascii=False, default=str)
    write_text(folder / "run.json", document + "\n")
    if run.table is None:
        remove_products(folder, PRODUCTS)
    for table, name in ((run.guards, "guards.csv"), (run.flags, "flags.csv"),
                        (run.table, "cohort.csv")):  # fmt: skip
        if table is not None:
            write_text_table(table, folder / name)


def _require_success(run: TranslationRun, cases: int) -> None:
    if len(run.failures) and run.computed + run.reused == 0:
        first = run.failures.iloc[0]
        raise NothingSucceededError(
            f"none of {cases} cases succeeded; the first, '{first['id']}', failed with "
            f"{first['code']}: {first['message']}"
        )
