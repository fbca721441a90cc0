"""Giving cases to Dask workers, and telling whose fault it is when one dies."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker

from harmonize_kit.errors import DependencyError, HarmonizeError
from harmonize_kit.execution.outcome import Done, Failed
from harmonize_kit.execution.worker import run_cases

# Small cases travel together, so that scheduling costs less than the cases do.
SECONDS_TOGETHER = 0.2
MOST_TOGETHER = 50
# Without a word for so long, see whether there are workers at all.
PATIENCE_SECONDS = 60.0
# Workers that die before they start a case are no case's fault; this many in a row end the run.
FALSE_STARTS = 20

logger = logging.getLogger(__name__)
Item = tuple[str, Any]


@dataclass
class Task:
    """Cases given to one worker in one go; each leaves when its outcome comes.

    ``heard`` is when the last sign of it came (monotonic seconds), None until it has started: the
    first of ``cases`` has been running since.
    """

    future: Any
    cases: deque[Item]
    heard: float | None = None


class Dispatch:
    """Cases on their way through the workers of a client.

    Only as many are given out as keep the workers busy, so that the memory of driver and scheduler
    does not grow with the cohort.

    Parameters
    ----------
    client : distributed.Client
    function : callable
    items : sequence of (id, item)
    time_limit : float, optional
        Of each case, in seconds.
    on_retry : callable
        Told the id of each case that is tried again because its worker died.
    may_queue : bool
        Whether being without any worker is nothing unusual, as with jobs that wait in a queue.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[[Any], Any],
        items: Sequence[Item],
        time_limit: float | None,
        on_retry: Callable[[str], None],
        *,
        may_queue: bool = False,
    ) -> None:
        self.may_queue = may_queue
        self.client = client
        self.function = function
        self.time_limit = time_limit
        self.on_retry = on_retry
        self.waiting = deque(items)
        self.suspects: deque[Item] = deque()
        self.retried: set[str] = set()
        self.tasks: dict[int, Task] = {}
        self.given = 0
        self.false_starts = 0
        self.mean_seconds: float | None = None
        self.topic = f"cases-{uuid4().hex}"
        self.messages: SimpleQueue[tuple[float, tuple[Any, ...]]] = SimpleQueue()
        self.threads = self._count_threads()

    def outcomes(self) -> Generator[Done[Any] | Failed]:
        """Yield the outcome of every case, in the order of completion."""
        self.client.subscribe_topic(self.topic, self._note_event)
        try:
            while self.waiting or self.tasks or self.suspects:
                self._give_out()
                when, (kind, number, *content) = self._next_message()
                task = self.tasks.get(number)
                if task is None:
                    continue
                if kind == "outcome":
                    yield self._outcome(task, content[0], when)
                elif kind == "started" and task.heard is None:
                    task.heard, self.false_starts = when, 0
                else:
                    # It ended, or the scheduler began it anew because its worker had died.
                    del self.tasks[number]
                    yield from self._ended(task, when, died=kind == "started")
        finally:
            self.client.unsubscribe_topic(self.topic)
            self.client.cancel([task.future for task in self.tasks.values()])

    def _give_out(self) -> None:
        while self.waiting and len(self.tasks) < 2 * self.threads + 2:
            fair = len(self.waiting) // (2 * self.threads)
            size = 1
            if self.mean_seconds is not None:
                size = int(SECONDS_TOGETHER / max(self.mean_seconds, 1e-9))
            size = max(1, min(size, fair, MOST_TOGETHER))
            self._submit([self.waiting.popleft() for _ in range(size)])
        if not self.tasks:
            suspect = self.suspects.popleft()
            self.retried.add(suspect[0])
            self.on_retry(suspect[0])
            self._submit([suspect])

    def _submit(self, cases: list[Item]) -> None:
        number = self.given = self.given + 1
        # Keys of one group let the scheduler keep what no worker is free for, so that a worker
        # that dies takes down nothing but what it was at.
        future = self.client.submit(
            run_cases, self.function, cases, self.topic, number, self.time_limit,
            key=(self.topic, number), pure=False,
        )  # fmt: skip
        self.tasks[number] = Task(future, deque(cases))

        def note_end(future: Any) -> None:
            del future
            self._note("ended", number)

        future.add_done_callback(note_end)

    def _note_event(self, event: tuple[float, tuple[Any, ...]]) -> None:
        self._note(*event[1])

    def _note(self, *message: Any) -> None:
        self.messages.put((time.monotonic(), message))

    def _next_message(self) -> tuple[float, tuple[Any, ...]]:
        while True:
            try:
                return self.messages.get(timeout=PATIENCE_SECONDS)
            except Empty:
                self.threads = self._count_threads()
                if self.client.nthreads():
                    continue
                if not self.may_queue:
                    raise DependencyError(
                        "there are no workers left, and none can be started anew; is there memory "
                        "and room in the folder for temporary files? Then run the same again"
                    ) from None
                logger.warning("still waiting for a worker; is the queue of the cluster long?")

    def _count_threads(self) -> int:
        return max(1, sum(self.client.nthreads().values()))

    def _outcome(self, task: Task, text: str, when: float) -> Done[Any] | Failed:
        document = json.loads(text)
        task.heard = when
        task.cases.popleft()
        before = document["seconds"] if self.mean_seconds is None else self.mean_seconds
        self.mean_seconds = 0.9 * before + 0.1 * document["seconds"]
        return Failed(**document) if "code" in document else Done(**document)

    def _ended(self, task: Task, when: float, *, died: bool) -> Generator[Failed]:
        """Blame the case its worker died of, and give out anew what came after it."""
        # A task that has told all is done with, though its worker may have died before Dask had let
        # go of it, and Dask may have lost it then.
        if not died and (not task.cases or not self._died(task)):
            return
        task.future.cancel()
        if not task.cases:
            # All was told, but the worker died before Dask had let go of the task.
            return
        if task.heard is None:
            self.false_starts += 1
            if self.false_starts > FALSE_STARTS:
                raise DependencyError(
                    "workers die before they start a case; see their log, and whether memory and "
                    "installation suffice there"
                )
        else:
            suspect = task.cases.popleft()
            if self.time_limit is not None and when - task.heard > 0.9 * self.time_limit:
                yield Failed(
                    suspect[0], "TIMEOUT", f"stopped after the time limit of {self.time_limit:g} s",
                    when - task.heard,
                )  # fmt: skip
            elif suspect[0] in self.retried:
                yield Failed(
                    suspect[0], "WORKER_DIED",
                    "the worker died both times it took this case; is the memory enough?",
                    when - task.heard,
                )  # fmt: skip
            else:
                self.suspects.append(suspect)
        self.waiting.extendleft(reversed(task.cases))

    def _died(self, task: Task) -> bool:
        """Tell whether the worker of an ended task died; raise what ends the run."""
        if task.future.status == "finished":
            return False
        if task.future.status != "error":
            raise DependencyError("the connection to the scheduler is lost; run the same again")
        error = task.future.exception()
        if isinstance(error, KilledWorker):
            return True
        if isinstance(error, HarmonizeError):
            raise error
        raise DependencyError(
            f"a worker cannot run cases ({type(error).__name__}: {error}); is the same version of "
            "harmonize-kit installed there?"
        ) from error
