"""The seam, with real processes."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

import pytest

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import CaseError, DependencyError
from harmonize_kit.execution import Done, Failed, count_workers, map_cases
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
    assert "c2" in retried
    assert sorted(outcome.id for outcome in outcomes) == [case for case, _ in items]
    assert all(isinstance(outcome, Done) for outcome in outcomes)


def test_a_case_that_kills_its_workers_is_named_and_the_rest_complete(tmp_path: Path) -> None:
    items = [(f"c{n}", str(tmp_path / f"c{n}")) for n in range(8)]
    items[2:2] = [("poison one", "poison"), ("poison two", "poison")]
    outcomes = {outcome.id: outcome for outcome in map_cases(die_always, items, TWO)}
    assert len(outcomes) == 10
    for name in ("poison one", "poison two"):
        poison = outcomes.pop(name)
        assert isinstance(poison, Failed)
        assert poison.code == "WORKER_DIED"
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())


def test_an_absent_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harmonize_kit.execution.cases.CONNECT_SECONDS", 1)
    config = ExecutionConfig(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9"):
        list(map_cases(math.sqrt, NUMBERS, config))


def test_workers_are_no_more_than_cases() -> None:
    assert count_workers(ExecutionConfig(workers=8), 3) == 3
    assert 1 <= count_workers(ExecutionConfig(), 1000) <= (os.cpu_count() or 1)


def die_once(path: str) -> str:
    if path.endswith("victim") and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return path


def die_always(path: str) -> str:
    if path == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return path
