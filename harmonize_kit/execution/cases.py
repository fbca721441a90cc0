"""The seam: map a function over cases, in this process or over Dask."""

from __future__ import annotations

import logging
import os
import time
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
) -> Generator[Done[Result] | Failed]:
    """Yield the outcome of ``function(item)`` for every ``(id, item)``, as each is finished.

    The order is that of completion; join by id. With more than one worker, ``function`` must be
    importable by name and items must be plain data. A worker that dies is replaced and its case
    tried again; a case that kills its workers comes out as WORKER_DIED. With ``on_error="stop"``
    nothing new is started after the first failure.

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
        outcomes = _distributed(function, items, config, workers)
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
    workers: int,
) -> Generator[Done[Result] | Failed]:
    from distributed import as_completed

    start = time.perf_counter()
    with _client(config, workers) as client:
        futures: dict[Any, str] = {
            client.submit(run_one, function, case_id, item, pure=False): case_id
            for case_id, item in items
        }
        try:
            for future in as_completed(list(futures), loop=client.loop):
                if future.status == "finished":
                    yield future.result()
                else:
                    yield _lost(futures[future], future.exception(), time.perf_counter() - start)
        finally:
            client.cancel(list(futures))


def _lost(case_id: str, error: BaseException | None, seconds: float) -> Failed:
    """Name what befell a case whose worker never answered."""
    if type(error).__name__ == "KilledWorker":
        message = "the worker died each time it took this case; is the memory enough?"
        return Failed(case_id, "WORKER_DIED", message, seconds)
    return Failed(case_id, "WORKER_DIED", f"{type(error).__name__}: {error}", seconds)


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
    environment = {
        "distributed.nanny.pre-spawn-environ": SINGLE_THREAD,
        "distributed.scheduler.worker-ttl": None,
    }
    with (
        dask.config.set(environment),
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
