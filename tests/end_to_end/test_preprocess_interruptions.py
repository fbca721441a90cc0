"""Preprocessing that is killed and taken up again, with real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from scans_on_disk import contents, make_brats

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.flows.preprocess import PreprocessingRun, preprocess_to_folder
from harmonize_kit.flows.preprocess_plan import Options

COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]
HIGH, LOW = 4, 3
STEPS = ("resample", "normalize", "write")
CONFIG = """
stages: [resample, normalize]
resample: {spacing: 2.0}
normalize: {default: {method: z-score, foreground: nonzero}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BraTS tree, a configuration of two stages, and what one worker makes of them."""
    folder = tmp_path_factory.mktemp("brats")
    make_brats(folder / "BraTS", HIGH, LOW)
    (folder / "p.yaml").write_text(CONFIG)
    here(folder, folder / "p.yaml", folder / "quiet")
    return folder


def here(folder: Path, config: Path, out: Path) -> PreprocessingRun:
    serial, options = ExecutionConfig(workers=1), Options(sheets=False)
    return preprocess_to_folder(folder / "BraTS", out, config, serial, options)


def start(folder: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    arguments = ["preprocess", str(folder / "BraTS"), "-o", str(out), "--no-sheets"]
    return subprocess.Popen(
        [*COMMAND, *arguments, "-c", str(folder / "p.yaml"), "--workers", "2", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def records(out: Path) -> list[Path]:
    return sorted([*(out / "stages").glob("[!.]*.json"), *(out / "cases").glob("[!.]*.json")])


def done(out: Path) -> Counter[tuple[str, str]]:
    """Count the lines of the journal that say a stage of a case was done."""
    lines = (out / "journal.jsonl").read_text().splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return Counter((e["id"], e["stage"]) for e in events if e["event"] == "done")


def wait_for(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.02)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def test_a_killed_run_is_taken_up_and_repeats_no_finished_stage(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(folder, out)
    wait_for(lambda: len(records(out)) >= (HIGH + LOW))
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: gone(workers))
    assert not (out / "cohort.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in records(out)}
    assert len(before) < len(STEPS) * (HIGH + LOW)
    again = start(folder, out, "--json")
    said, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert json.loads(said)["to_do"] == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # One line each, also of a stage that was kept a moment before its line would have been written.
    counts = done(out)
    assert set(counts.values()) == {1}
    assert len(counts) == len(records(out)) == len(STEPS) * (HIGH + LOW)
    # The same bytes whatever the workers and interruptions.
    # What was being written when it died is never read, and goes once it is a minute old.
    made = contents(out / "images")
    whole = {name: made[name] for name in made if ".writing-" not in name}
    assert whole == contents(folder / "quiet" / "images")
    for name in ("cohort.csv", "failures.csv"):
        assert (out / name).read_bytes() == (folder / "quiet" / name).read_bytes()


def test_a_changed_late_stage_redoes_itself_and_the_writing_alone(
    folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "late.yaml"
    config.write_text(CONFIG.replace("nonzero", "whole"))
    out = folder / "quiet"
    assert set(here(folder, config, out).stages) == {"normalize", "write"}
    counts = done(out)
    for stage, times in (("resample", 1), ("normalize", 2), ("write", 2)):
        assert [n for (_, name), n in counts.items() if name == stage] == [times] * (HIGH + LOW)
