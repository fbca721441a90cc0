"""What happens on a worker: its preparation, and the cases it is given."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import Lock
from typing import Any

import psutil

from harmonize_kit.execution.outcome import run_one

# The rest is for what grows outside of the data segment. The nanny ends a worker at 0.95.
USABLE_MEMORY = 0.9

# Libraries in C know one case at a time, and so does the watchdog.
one_at_a_time = Lock()


def dask_setup(worker: Any) -> None:
    """Prepare a worker process; Dask calls this when it starts.

    Ctrl-C is left to the driver, which then stops its workers in order: a terminal sends it to the
    whole group of processes, and workers would each end in a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory(worker.memory_manager.memory_limit)


def limit_memory(limit: int | None) -> None:
    """Let allocations fail shortly before ``limit`` bytes, so that the case fails and no worker.

    The limit of the operating system is on writable memory of the process (RLIMIT_DATA), which is
    counted when it is asked for, so that an image of 256 GB is refused before it takes anything.
    """
    if not limit:
        return
    memory = psutil.Process().memory_info()
    room = max(0, int(USABLE_MEMORY * limit) - memory.rss)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory.data + room, hard))


def run_cases(
    function: Callable[[Any], Any],
    items: Sequence[tuple[str, Any]],
    topic: str,
    number: int,
    time_limit: float | None,
) -> None:
    """Run ``function`` on each item in turn, telling the driver of task ``number``.

    Outcomes travel as events that the scheduler has acknowledged before the next case starts.
    They would not survive the worker as results of Dask, which stay on it until they are fetched;
    and a worker whose next case holds the interpreter in C could not answer.
    """
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()

    def tell(*message: Any) -> None:
        sync(worker.loop, worker.scheduler.log_event, topic=topic, msg=message)

    with one_at_a_time:
        tell("started", number)
        for case_id, item in items:
            with watchdog(time_limit):
                outcome = run_one(function, case_id, item)
            tell("outcome", number, json.dumps(asdict(outcome)))


@contextmanager
def watchdog(seconds: float | None) -> Generator[None]:
    """End the process, workers and all, if the block takes longer than ``seconds``.

    The watchdog is a thread of C, so it also ends code that never gives the interpreter back, as
    PyRadiomics' matrices do. The nanny then starts the worker anew.
    """
    if seconds is None:
        yield
        return
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
