"""The seam: map a function over cases, in this process or over Dask."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import DependencyError
from harmonize_kit.execution.outcome import Done, Failed, run_one

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_SECONDS = 20

# One case a worker, one thread a case: the small eigenproblems of texture features are several
# times slower when BLAS and ITK each take every core.
SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
}


def map_cases(
    function: Callable[[Item], Result],
    items: Sequence[tuple[str, Item]],
    config: ExecutionConfig | None = None,
    on_retry: Callable[[str], None] = lambda case_id: None,
) -> Generator[Done[Result] | Failed]:
    """Yield the outcome of ``function(item)`` for every ``(id, item)``, as each is finished.

    The order is that of completion; join by id. With more than one worker, ``function`` must be
    importable by name and items must be plain data. With ``on_error="stop"`` nothing new is
    started after the first failure.

    A worker that dies is replaced. The cases it held are tried once more at the end, each alone,
    so that a case which kills its worker again (WORKER_DIED) is blamed and no other; ``on_retry``
    is told their ids.

    Raises
    ------
    DependencyError
        If the scheduler named in ``config`` cannot be reached.
    """
    config = config or ExecutionConfig()
    workers = count_workers(config, len(items))
    if config.scheduler is None and workers == 1:
        outcomes = _serial(function, items)
    else:
        outcomes = _distributed(function, items, config, on_retry)
    with closing(outcomes):
        for outcome in outcomes:
            yield outcome
            if isinstance(outcome, Failed) and config.on_error == "stop":
                return


def count_workers(config: ExecutionConfig, n_items: int) -> int:
    """Return how many processes are worth starting: the cores at hand, and no more than cases."""
    if config.workers == "auto":
        return max(1, min(len(os.sched_getaffinity(0)), n_items))
    return max(1, min(config.workers, n_items))


def _serial(
    function: Callable[[Item], Result], items: Sequence[tuple[str, Item]]
) -> Generator[Done[Result] | Failed]:
    for case_id, item in items:
        with threadpool_limits(limits=1):
            outcome = run_one(function, case_id, item)
        yield outcome


def _distributed(
    function: Callable[[Item], Result],
    items: Sequence[tuple[str, Item]],
    config: ExecutionConfig,
    on_retry: Callable[[str], None],
) -> Generator[Done[Result] | Failed]:
    suspects: list[tuple[str, Item]] = []
    by_id = dict(items)
    with _client(config, count_workers(config, len(items))) as client:
        for case_id, outcome in _submit(client, function, items):
            if outcome is None:
                suspects.append((case_id, by_id[case_id]))
            else:
                yield outcome
        for suspect in suspects:
            on_retry(suspect[0])
            for case_id, outcome in _submit(client, function, [suspect]):
                yield outcome or Failed(
                    case_id,
                    "WORKER_DIED",
                    "the worker died both times it took this case; is the memory enough?",
                )


def _submit(
    client: Any, function: Callable[[Item], Result], items: Sequence[tuple[str, Item]]
) -> Generator[tuple[str, Done[Result] | Failed | None]]:
    """Yield id and outcome of each item, None where its worker died.

    What raises outside of ``run_one`` (a worker that cannot import the function, say) is a failure
    that no retry would mend.
    """
    from distributed import as_completed

    futures: dict[Any, str] = {
        client.submit(run_one, function, case_id, item, pure=False): case_id
        for case_id, item in items
    }
    try:
        for future in as_completed(list(futures), loop=client.loop):
            case_id = futures[future]
            if future.status == "finished":
                yield case_id, future.result()
                continue
            error = future.exception()
            died = type(error).__name__ == "KilledWorker"
            message = f"{type(error).__name__}: {error}"
            yield case_id, None if died else Failed(case_id, "EXTRACTION", message)
    finally:
        client.cancel(list(futures))


@contextmanager
def _client(config: ExecutionConfig, workers: int) -> Generator[Any]:
    import dask
    from distributed import Client, LocalCluster

    if config.scheduler is not None:
        try:
            client = Client(config.scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except OSError as error:
            raise DependencyError(
                f"no Dask scheduler answers at {config.scheduler} ({error}); is it running, and "
                "of the same version of dask?"
            ) from error
        with client:
            yield client
        return
    settings = {
        "distributed.nanny.pre-spawn-environ": SINGLE_THREAD,
        "distributed.worker.preload": ["harmonize_kit.execution.worker"],
        "distributed.scheduler.worker-ttl": None,
        # The case of a dead worker comes back at once; map_cases retries it.
        "distributed.scheduler.allowed-failures": 0,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=config.memory_per_worker or "auto",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
