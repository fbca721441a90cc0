"""The seam, with real processes."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from harmonize_kit.config.execution import ClusterConfig, ExecutionConfig
from harmonize_kit.errors import CaseError, DependencyError, OutputError
from harmonize_kit.execution import Done, Failed, count_workers, map_cases
from harmonize_kit.execution.cases import runs_here
from harmonize_kit.execution.dispatch import Dispatch, Task
from harmonize_kit.execution.outcome import run_one

SERIAL, TWO = ExecutionConfig(workers=1), ExecutionConfig(workers=2)
NUMBERS = [("four", 4.0), ("minus", -1.0), ("nine", 9.0)]


@pytest.mark.parametrize("config", [SERIAL, TWO], ids=["serial", "two workers"])
def test_every_case_has_an_outcome_and_failures_stay_alone(config: ExecutionConfig) -> None:
    outcomes = {outcome.id: outcome for outcome in map_cases(math.sqrt, NUMBERS, config)}
    four, nine, minus = outcomes["four"], outcomes["nine"], outcomes["minus"]
    assert isinstance(four, Done)
    assert isinstance(nine, Done)
    assert (four.value, nine.value) == (2.0, 3.0)
    assert isinstance(minus, Failed)
    assert "ValueError" in minus.message


def test_on_error_stop_starts_nothing_more() -> None:
    config = ExecutionConfig(workers=1, on_error="stop")
    assert [outcome.id for outcome in map_cases(math.sqrt, NUMBERS, config)] == ["four", "minus"]


def test_reason_codes_reach_the_outcome() -> None:
    def fail(item: object) -> None:
        raise CaseError("GEOMETRY", "grids differ")

    failed = run_one(fail, "a", None)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message) == ("GEOMETRY", "grids differ")

    def exhaust(item: object) -> None:
        raise MemoryError

    failed = run_one(exhaust, "a", None)
    assert isinstance(failed, Failed)
    assert failed.code == "OUT_OF_MEMORY"


def test_a_killed_worker_costs_no_case(tmp_path: Path) -> None:
    """The first attempt at one case is killed as a machine's memory guard kills it."""
    items = [(f"c{n}", str(tmp_path / ("victim" if n == 2 else f"c{n}"))) for n in range(6)]
    retried: list[str] = []
    outcomes = list(map_cases(die_once, items, TWO, on_retry=retried.append))
    assert retried == ["c2"]
    assert sorted(outcome.id for outcome in outcomes) == [case for case, _ in items]
    assert all(isinstance(outcome, Done) for outcome in outcomes)


def test_a_case_that_kills_its_workers_is_named_and_the_rest_complete(tmp_path: Path) -> None:
    items = [(f"c{n}", str(tmp_path / f"c{n}")) for n in range(8)]
    items[2:2] = [("poison one", "poison"), ("poison two", "poison")]
    retried: list[str] = []
    run = map_cases(die_always, items, TWO, on_retry=retried.append)
    outcomes = {outcome.id: outcome for outcome in run}
    assert len(outcomes) == 10
    assert sorted(retried) == ["poison one", "poison two"]
    for name in ("poison one", "poison two"):
        poison = outcomes.pop(name)
        assert isinstance(poison, Failed)
        assert poison.code == "WORKER_DIED"
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())


def test_an_absent_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harmonize_kit.execution.cluster.CONNECT_SECONDS", 1)
    config = ExecutionConfig(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9"):
        list(map_cases(math.sqrt, NUMBERS, config))


def test_a_case_over_its_time_is_stopped_even_in_code_of_c() -> None:
    """A big power holds the interpreter for minutes, as PyRadiomics' matrices can."""
    items = [(f"c{n}", 10**8 if n == 1 else 1) for n in range(5)]
    retried: list[str] = []
    config = ExecutionConfig(workers=1, case_timeout=2)
    start = time.monotonic()
    outcomes = {outcome.id: outcome for outcome in map_cases(power, items, config, retried.append)}
    assert time.monotonic() - start < 60
    slow = outcomes.pop("c1")
    assert isinstance(slow, Failed)
    assert (slow.code, slow.message) == ("TIMEOUT", "stopped after the time limit of 2 s")
    assert retried == []
    assert len(outcomes) == 4
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())


def test_a_case_that_asks_for_too_much_fails_and_its_worker_lives() -> None:
    items: list[tuple[str, int]] = [("small", 1), ("at once", 10**9), ("by and by", -1), ("s", 1)]
    config = ExecutionConfig(workers=1, memory_per_worker="1GB")
    outcomes = {outcome.id: outcome for outcome in map_cases(fill, items, config)}
    for name in ("at once", "by and by"):
        failed = outcomes[name]
        assert isinstance(failed, Failed)
        assert failed.code == "OUT_OF_MEMORY"
    small, last = outcomes["small"], outcomes["s"]
    assert isinstance(small, Done)
    assert isinstance(last, Done)
    assert small.value == last.value  # the same process


@pytest.mark.parametrize("reason", ["std::bad_alloc", "Failed to allocate memory for image."])
def test_memory_is_the_reason_whatever_it_was_translated_to(reason: str) -> None:
    def fail(item: object) -> None:
        try:
            raise RuntimeError(reason)
        except RuntimeError as error:
            raise CaseError("UNREADABLE", "cannot be read") from error

    failed = run_one(fail, "a", None)
    assert isinstance(failed, Failed)
    assert failed.code == "OUT_OF_MEMORY"


@pytest.mark.parametrize("config", [SERIAL, TWO], ids=["serial", "two workers"])
def test_what_is_not_the_fault_of_a_case_ends_the_run(config: ExecutionConfig) -> None:
    with pytest.raises(OutputError, match="disk full"):
        list(map_cases(run_out_of_disk, NUMBERS, config))


def test_small_cases_travel_together_and_only_the_culprit_is_blamed(tmp_path: Path) -> None:
    items = [(f"c{n}", str(tmp_path / f"c{n}")) for n in range(400)]
    items[300] = ("poison", "poison")
    retried: list[str] = []
    outcomes = list(map_cases(die_always, items, TWO, on_retry=retried.append))
    assert sorted(outcome.id for outcome in outcomes) == sorted(case for case, _ in items)
    assert [outcome.id for outcome in outcomes if isinstance(outcome, Failed)] == ["poison"]
    assert retried == ["poison"]


def test_a_running_scheduler_is_used_and_survives_a_poisonous_case(tmp_path: Path) -> None:
    from distributed import LocalCluster

    items = [(f"c{n}", str(tmp_path / f"c{n}")) for n in range(12)]
    items[4] = ("poison", "poison")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        config = ExecutionConfig(scheduler=cluster.scheduler_address)
        outcomes = {outcome.id: outcome for outcome in map_cases(die_always, items, config)}
    poison = outcomes.pop("poison")
    assert isinstance(poison, Failed)
    assert poison.code == "WORKER_DIED"
    assert len(outcomes) == 11
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())


def test_what_was_told_of_a_lost_task_counts() -> None:
    class Client:
        def nthreads(self) -> dict[str, int]:
            return {}

    class Lost:
        status = "cancelled"

    dispatch = Dispatch(cast(Any, Client()), math.sqrt, [], None, print)
    assert list(dispatch._ended(Task(Lost(), deque()), 0.0, died=False)) == []
    with pytest.raises(DependencyError, match="connection to the scheduler is lost"):
        list(dispatch._ended(Task(Lost(), deque(NUMBERS[:1])), 0.0, died=False))


def test_a_batch_system_that_is_not_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = ClusterConfig.model_validate({"oar": {"memory": "1GB"}})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DependencyError, match="no command oarsub"):
        list(map_cases(math.sqrt, NUMBERS, ExecutionConfig(cluster=jobs)))
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(DependencyError, match=r"harmonize-kit\[cluster\]"):
        list(map_cases(math.sqrt, NUMBERS, ExecutionConfig(cluster=jobs)))


def test_without_workers_the_run_ends_or_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A scheduler that has none, asked as this machine's and as a cluster's."""
    from distributed import Client, LocalCluster

    monkeypatch.setattr("harmonize_kit.execution.dispatch.PATIENCE_SECONDS", 0.2)
    with (
        LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        with pytest.raises(DependencyError, match="no workers left"):
            list(Dispatch(client, math.sqrt, NUMBERS, None, print).outcomes())
        waiting = Dispatch(client, math.sqrt, NUMBERS[:1], None, print, may_queue=True).outcomes()
        timer = threading.Timer(1.0, cluster.scale, [1])
        timer.start()
        assert [outcome.id for outcome in waiting] == ["four"]
        timer.join()
    assert "still waiting for a worker" in caplog.text


def test_stopping_early_leaves_no_process() -> None:
    run = map_cases(power, [(f"c{n}", 1) for n in range(50)], TWO)
    assert isinstance(next(run), Done)
    assert multiprocessing.active_children()
    run.close()
    assert not multiprocessing.active_children()


def test_limits_need_a_process_of_their_own() -> None:
    assert runs_here(SERIAL)
    for more in ({"case_timeout": 5}, {"memory_per_worker": "1GB"}, {"workers": 2}):
        assert not runs_here(ExecutionConfig.model_validate({"workers": 1, **more}))


def test_workers_are_no_more_than_cases() -> None:
    jobs = ClusterConfig.model_validate({"slurm": {"memory": "8GB", "cores": 4}, "jobs": 3})
    assert count_workers(ExecutionConfig(cluster=jobs), 1000) == 12
    assert count_workers(ExecutionConfig(workers=8), 3) == 3
    assert 1 <= count_workers(ExecutionConfig(), 1000) <= (os.cpu_count() or 1)


def die_once(path: str) -> str:
    if path.endswith("victim") and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return path


def power(exponent: int) -> int:
    return (7**exponent).bit_length()


def fill(count: int) -> int:
    """Take memory at once, or bit by bit without end, and return the process."""
    taken: list[Any] = []
    while count < 0:
        taken.append(np.ones(10**6))
    taken.append(np.ones(count))
    return os.getpid()


def run_out_of_disk(item: object) -> None:
    raise OutputError("disk full")


def die_always(path: str) -> str:
    if path == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return path
