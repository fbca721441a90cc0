"""The seam: map a function over cases, in this process or over Dask."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TypeVar

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.execution.outcome import Done, Failed, run_one
from harmonize_kit.execution.processes import import_once

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_cases(
    function: Callable[[Item], Result],
    items: Sequence[tuple[str, Item]],
    config: ExecutionConfig | None = None,
    on_retry: Callable[[str], None] = lambda case_id: None,
) -> Generator[Done[Result] | Failed]:
    """Yield the outcome of ``function(item)`` for every ``(id, item)``, as each is finished.

    The order is that of completion; join by id. Unless it runs in this process, ``function`` must
    be importable by name, and what it returns must be plain values as JSON knows them. With
    ``on_error="stop"`` nothing new is started after the first failure.

    A worker that dies is replaced. The case it was at is tried once more at the end, alone, so
    that a case which kills its worker again (WORKER_DIED) is blamed and no other; ``on_retry`` is
    told its id. A case over its time limit (TIMEOUT) is not tried again.

    Raises
    ------
    DependencyError
        If no worker can be had: the scheduler or the batch system in ``config`` does not answer,
        or the workers have not what it takes.
    HarmonizeError
        What ``function`` raises of this tree, but for CaseError: it is not the case's fault.
    """
    config = config or ExecutionConfig()
    if not items:
        return
    if runs_here(config):
        outcomes = (run_one(function, case_id, item) for case_id, item in items)
    else:
        outcomes = _elsewhere(function, items, config, on_retry)
    with closing(outcomes):
        for outcome in outcomes:
            yield outcome
            if isinstance(outcome, Failed) and config.on_error == "stop":
                return


def runs_here(config: ExecutionConfig) -> bool:
    """Tell whether cases run in this process: one worker, and no limit that only another keeps."""
    limited = config.case_timeout is not None or config.memory_per_worker is not None
    elsewhere = config.scheduler is not None or config.cluster is not None
    return not (limited or elsewhere) and _asked_for(config) == 1


def count_workers(config: ExecutionConfig, n_items: int) -> int:
    """Return how many processes work at once, and no more than cases.

    For a scheduler that runs already this is unknown here, and the answer is 1.
    """
    return max(1, min(_asked_for(config), n_items))


def _asked_for(config: ExecutionConfig) -> int:
    if config.cluster is not None:
        return config.cluster.jobs * config.cluster.system[1].cores
    if config.scheduler is not None:
        return 1
    return len(os.sched_getaffinity(0)) if config.workers == "auto" else config.workers


def _elsewhere(
    function: Callable[[Item], Result],
    items: Sequence[tuple[str, Item]],
    config: ExecutionConfig,
    on_retry: Callable[[str], None],
) -> Generator[Done[Result] | Failed]:
    if config.scheduler is None and config.cluster is None:
        import_once(function.__module__)
    # Dask takes a second to import, which runs in this process need not spend.
    from harmonize_kit.execution.cluster import connect
    from harmonize_kit.execution.dispatch import Dispatch

    with connect(config, count_workers(config, len(items))) as client:
        may_queue = config.scheduler is not None or config.cluster is not None
        yield from Dispatch(
            client, function, items, config.case_timeout, on_retry, may_queue=may_queue
        ).outcomes()
