"""What an extraction has to do, and what is there already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.load import load_config, validate_config
from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.core.cohort import Cohort
from harmonize_kit.errors import CaseError, ConfigError, TableError
from harmonize_kit.execution import Failed
from harmonize_kit.features import Engine, FeatureExtractor
from harmonize_kit.flows.assemble import NOTE_COLUMN, asks_for_several
from harmonize_kit.flows.case import CaseWork, case_files, is_kept, makers, result_key
from harmonize_kit.flows.output_folder import JOURNAL
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.results import ResultStore, owner_of

LARGE_BYTES = 1_000_000


@dataclass(frozen=True)
class Plan:
    """A cohort and parameters found good, and the work they make.

    Parameters
    ----------
    cohort : Cohort
    config : ExtractionConfig
    own, others : tuple of CaseWork
        The cases of this shard, and of the others; all are own where there are no shards.
    """

    cohort: Cohort
    config: ExtractionConfig
    own: tuple[CaseWork, ...]
    others: tuple[CaseWork, ...] = ()


def plan_extraction(
    cohort_path: Path,
    folder: Path,
    params: ExtractionConfig | str | Path | dict[str, Any],
    execution: ExecutionConfig,
    *,
    force: bool = False,
    id_column: str | None = None,
    robustness: RobustnessConfig | None = None,
    engine: Engine = "auto",
    voxel: bool = False,
) -> Plan:
    """Check everything that can be checked before a case runs.

    With ``robustness``, cases are measured under its perturbations too; with ``voxel``, maps of
    their features are made.

    Raises
    ------
    TableError, ConfigError
        If the cohort, the parameters or the folder cannot be used.
    """
    cohort = read_cohort(cohort_path, id_column)
    taken = {NOTE_COLUMN} | ({"case_id", "Label"} if asks_for_several(cohort) else set[str]())
    for name in cohort.columns:
        if name in taken:
            raise TableError(f"{cohort_path.name}: column '{name}' is made here; rename yours")
    if len(cohort.cases[execution.part]) == 0:
        raise ConfigError(f"shard {execution.shard}: there are only {len(cohort)} cases")
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; choose a folder with -o")
    config = load_params(params)
    FeatureExtractor(config, engine)
    made_by = makers(config.model_dump_json())
    # Workers on this machine note their results themselves, so that none is kept unnoted. From
    # several machines, lines appended to one file of a network disk would overwrite each other.
    here = execution.scheduler is None and execution.cluster is None and execution.shard is None
    works = [
        CaseWork(
            case, config, str(folder.absolute() / "cases"),
            str(folder.absolute() / JOURNAL) if here else None, force, made_by,
            robustness, engine, voxel,
        )
        for case in cohort
    ]  # fmt: skip
    own = tuple(works[execution.part])
    mine = {work.case.id for work in own}
    return Plan(cohort, config, own, tuple(w for w in works if w.case.id not in mine))


def load_params(params: ExtractionConfig | str | Path | dict[str, Any]) -> ExtractionConfig:
    """Return extraction parameters from a preset name, a file, plain values, or themselves."""
    if isinstance(params, ExtractionConfig):
        return params
    if isinstance(params, dict):
        return validate_config(params, "params", ExtractionConfig)
    return load_config(str(params), "extract", ExtractionConfig)


def find_kept(works: Sequence[CaseWork], store: ResultStore) -> dict[str, str]:
    """Return the key, by id, of each case whose whole result is in ``store``.

    The files of a case are digested only where the store holds something of that case.
    """

    def kept_key(work: CaseWork) -> str | None:
        try:
            key = result_key(work)
        except (CaseError, OSError):
            return None
        return key if is_kept(work, key, store) else None

    owners = store.owners()
    known = [work for work in works if owner_of(work.case.id) in owners]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # Threads pay where digesting takes the time; for small files they get in each other's way.
        large = [work for work in known if _size(work) > LARGE_BYTES]
        keys = dict(zip((work.case.id for work in large), pool.map(kept_key, large), strict=True))
    keys |= {work.case.id: kept_key(work) for work in known if work.case.id not in keys}
    return {case_id: key for case_id, key in keys.items() if key is not None}


def _size(work: CaseWork) -> int:
    paths = [Path(path) for path in (*work.case.images.values(), work.case.mask)]
    return sum(path.stat().st_size for path in paths if path.is_file())


def look_at_others(
    works: Sequence[CaseWork], results: ResultStore, failures: ResultStore
) -> tuple[dict[str, str], dict[str, Failed], int]:
    """Return what came of the cases of other shards: keys, failures, and how many are to do.

    Files are digested only once every case has left something, so that of many shards only the
    last one reads the cohort.
    """
    owners = results.owners() | failures.owners()
    silent = [work for work in works if owner_of(work.case.id) not in owners]
    to_do = sum(_failure_of(work, failures, digest=False) is None for work in silent)
    if to_do:
        return {}, {}, to_do
    keys = find_kept(works, results)
    failed: dict[str, Failed] = {}
    for work in works:
        failure = None if work.case.id in keys else _failure_of(work, failures, digest=True)
        if failure is not None:
            failed[work.case.id] = failure
    return keys, failed, len(works) - len(keys) - len(failed)


def _failure_of(work: CaseWork, failures: ResultStore, *, digest: bool) -> Failed | None:
    """Return the failure that another shard noted for a case, or that is plain to see."""
    try:
        case_files(work.case)
        noted = failures.read(result_key(work)) if digest else None
    except CaseError as error:
        return Failed(work.case.id, error.code, error.message)
    return None if noted is None else Failed(work.case.id, noted["code"], noted["message"])
