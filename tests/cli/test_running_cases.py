"""What the commands that work through cases show while they run."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harmonize_kit_cli import main as entry
from harmonize_kit_cli import progress as module
from harmonize_kit_cli.progress import case_progress, duration

COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]


@dataclass
class Failure:
    code: str = "CRC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (59.4, "59 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_count_failures_and_judge_by_this_run_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with case_progress(quiet=False) as update:
        update(None, 90, 100)
        for done in range(91, 101):
            now += 10.0
            update(Failure() if done == 91 else object(), done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "93/100 cases, 1 failed, 0.1 a second, 1 min 10 s left",
        "96/100 cases, 1 failed, 0.1 a second, 40 s left",
        "99/100 cases, 1 failed, 0.1 a second, 10 s left",
        "100/100 cases, 1 failed, 0.1 a second",
    ]
    with case_progress(quiet=True) as update:
        update(None, 0, 1)
        update(object(), 1, 1)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_with_failures_and_rate(cohort_path: Path, tmp_path: Path) -> None:
    (tmp_path / "1_mask.nrrd").unlink()
    driver, terminal = pty.openpty()
    run = subprocess.run(
        [*COMMAND, "extract", str(cohort_path), "-o", str(tmp_path / "out"), "--workers", "1"],
        stderr=terminal, stdout=subprocess.PIPE, text=True, check=False, timeout=120,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            block = os.read(driver, 65536)
        except OSError:
            break
        shown += block
        if not block:
            break
    os.close(driver)
    assert run.returncode == 3
    assert b"4/4" in shown
    assert b"1 failed" in shown
    assert b"a second" in shown
    assert "Failed: MISSING_FILE 1" in run.stdout
    assert "cases a second" in run.stdout


def test_a_dry_run_exits_with_0_and_writes_nothing(
    cohort_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1_mask.nrrd").unlink()
    out = tmp_path / "out"
    arguments = ["extract", str(cohort_path), "-o", str(out), "--dry-run"]
    assert entry._run(arguments) == 0
    said = capfd.readouterr().out
    assert "4 cases: 0 kept from before, 4 to measure" in said
    assert "001: MISSING_FILE" in said
    assert "judging by 3 cases" in said
    assert entry._run([*arguments, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["cases"], document["kept"], document["sample"]) == (4, 0, 3)
    assert document["low"] <= document["seconds"] <= document["high"]
    assert not out.exists()


def test_a_shard_says_what_is_missing(
    cohort_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["extract", str(cohort_path), "-o", str(tmp_path / "out"), "--workers", "1"]
    assert entry._run([*arguments, "--shard", "1/2"]) == 0
    assert "No table yet: 2 cases have neither result nor failure" in capfd.readouterr().out
    assert entry._run([*arguments, "--shard", "2/2"]) == 0
    assert "4 rows of 107 features" in capfd.readouterr().out
    assert entry._run([*arguments, "--shard", "3/2"]) == 4
    assert "expected I/N" in capfd.readouterr().err
