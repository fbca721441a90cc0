"""Runs that are killed, stopped, starved or doubled, with real processes."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import psutil
import pytest
from conftest import make_volume

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.storage.images import write_image, write_mask

COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]
CASES = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort whose cases take a few tenths of a second, and what a quiet run makes of it."""
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(3):
        case = make_volume(number, 40)
        write_image(case, folder / f"{number}.nrrd")
        write_mask(case, folder / f"m{number}.nrrd")
    rows = [f"c{n:03d},{n % 3}.nrrd,m{n % 3}.nrrd,{'AB'[n % 2]}" for n in range(CASES)]
    (folder / "c.csv").write_text("id,Image,Mask,site\n" + "\n".join(rows) + "\n")
    (folder / "p.yaml").write_text("imageType: {Original: {}, Wavelet: {}}\n")
    quiet = start(folder, folder / "quiet", "--workers", "1")
    _, err = quiet.communicate(timeout=120)
    assert quiet.returncode == 0, err
    return folder


def start(folder: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    arguments = ["extract", str(folder / "c.csv"), "-o", str(out), "-p", str(folder / "p.yaml")]
    return subprocess.Popen(
        [*COMMAND, *arguments, *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background lets them ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip


def results(out: Path) -> list[Path]:
    return sorted((out / "cases").glob("[!.]*.json"))


def wait_for(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.02)


def journal(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]


def check_complete(out: Path, folder: Path) -> None:
    """The products are those of a quiet run, and no case was measured twice."""
    for name in ("features.csv", "features.parquet", "features.json", "failures.csv"):
        assert (out / name).read_bytes() == (folder / "quiet" / name).read_bytes(), name
    done = Counter(event["id"] for event in journal(out) if event["event"] == "done")
    assert done == Counter(f"c{n:03d}" for n in range(CASES))


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM,), 143),
        ((signal.SIGKILL,), -9),
    ],
    ids=["SIGINT twice", "SIGTERM", "SIGKILL"],
)
def test_a_run_that_is_stopped_leaves_no_process_and_is_taken_up_again(
    folder: Path, tmp_path: Path, numbers: tuple[signal.Signals, ...], code: int
) -> None:
    out = tmp_path / "out"
    process = start(folder, out, "--workers", "2")
    wait_for(lambda: len(results(out)) >= 5)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    wait_for(lambda: gone(workers))
    assert not (out / "features.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in results(out)}
    assert 5 <= len(before) < CASES
    assert all(json.loads(path.read_text())["result"]["regions"] for path in before)
    if code > 0:
        return  # what follows is the same for all, and takes its time
    again = start(folder, out, "--workers", "2", "--json")
    said, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert json.loads(said)["reused"] == len(before)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    check_complete(out, folder)


def test_a_killed_worker_is_no_failure(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(folder, out, "--workers", "2")
    wait_for(lambda: len(results(out)) >= 3)
    driver = psutil.Process(process.pid)
    origin = next(child for child in driver.children() if "forkserver" in str(child.cmdline()))
    workers = origin.children()
    assert len(workers) == 2
    workers[0].kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    check_complete(out, folder)
    retried = [event for event in journal(out) if event["event"] == "retried"]
    assert len(retried) <= 1
    assert all((out / "cases" / f"{event['key']}.json").exists() for event in retried)


def test_workers_outlive_the_process_they_were_forked_from(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(folder, out, "--workers", "2")
    wait_for(lambda: len(results(out)) >= 3)
    driver = psutil.Process(process.pid)
    origin = next(child for child in driver.children() if "forkserver" in str(child.cmdline()))
    worker = origin.children()[0]
    origin.kill()
    worker.kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    check_complete(out, folder)


def test_two_runs_into_one_folder_agree(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    runs = [start(folder, out, "--workers", "1") for _ in range(2)]
    for run in runs:
        _, err = run.communicate(timeout=120)
        assert run.returncode == 0, err
    assert len(results(out)) == CASES
    for name in ("features.csv", "features.parquet", "failures.csv"):
        assert (out / name).read_bytes() == (folder / "quiet" / name).read_bytes()
    assert {event["event"] for event in journal(out)} == {"done"}
    assert not list(out.rglob(".writing-*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of its own, with room for a few results."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here (it takes root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_and_costs_nothing(folder: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    process = start(folder, out, "--workers", "2")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert "cannot be written to (No space left on device)" in err
    assert "Traceback" not in err
    assert not (out / "features.csv").exists()
    assert not list(out.rglob(".writing-*"))
    before = {path: path.stat().st_mtime_ns for path in results(out)}
    assert 0 < len(before) < CASES
    remount = ["mount", "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(remount, check=True)
    again = start(folder, out, "--workers", "1")
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    check_complete(out, folder)


def test_hungry_and_slow_cases_fail_alone(tmp_path: Path) -> None:
    """Voxels beyond the limit, and grey levels without end, beside a case like any other."""
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[2:-2, 2:-2, 2:-2] = 1
    rng = np.random.default_rng(0)
    slow = Volume(rng.integers(0, 600, mask.shape).astype(np.int16), Geometry((40, 40, 40)), mask)
    write_image(slow, tmp_path / "slow.nii.gz")
    write_mask(slow, tmp_path / "m.nii.gz")
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((760, 760, 760))
    header["magic"], header["vox_offset"] = b"n+1", 352
    with gzip.open(tmp_path / "big.nii.gz", "wb", compresslevel=1) as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(760):
            file.write(bytes(2 * 760 * 760))
    case = make_volume(0)
    write_image(case, tmp_path / "i.nii.gz")
    write_mask(case, tmp_path / "i_m.nii.gz")
    (tmp_path / "c.csv").write_text(
        "id,Image,Mask\nhungry,big.nii.gz,m.nii.gz\nslow,slow.nii.gz,m.nii.gz\n"
        "good,i.nii.gz,i_m.nii.gz\n"
    )
    (tmp_path / "p.yaml").write_text("setting: {binWidth: 1}\nfeatureClass: {glcm: }\n")
    limits = ("--memory-per-worker", "700MB", "--case-timeout", "10", "--workers", "2", "--json")
    process = start(tmp_path, tmp_path / "out", *limits)
    said, err = process.communicate(timeout=200)
    assert process.returncode == 3, err
    document = json.loads(said)
    assert document["rows"] == 1
    codes = {failure["id"]: failure["code"] for failure in document["failures"]}
    assert codes == {"hungry": "OUT_OF_MEMORY", "slow": "TIMEOUT"}
    assert [event["event"] for event in journal(tmp_path / "out")].count("retried") == 0


def test_a_script_without_a_guard_is_told_how_to_mend_it(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import harmonize_kit as hk\nhk.extract({str(folder / 'c.csv')!r}, workers=2)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert 'under if __name__ == "__main__":' in done.stderr.splitlines()[-1]
