"""The same command through a real SLURM of one node, which the test starts for itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from conftest import make_volume

from harmonize_kit.storage.images import write_image, write_mask

COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]
SCRIPT = Path(__file__).with_name("slurm.sh")
CASES = 16


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """The environment in which commands reach the SLURM of this test."""
    for program in ("slurmctld", "slurmd", "munged", "sbatch"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: apt-get install slurm-wlm munge")
    if os.getuid() != 0:
        pytest.skip("SLURM's daemons are started as root here")
    pytest.importorskip("dask_jobqueue")
    folder = tmp_path_factory.mktemp("slurm")
    try:
        subprocess.run([SCRIPT, "start", folder], check=True, timeout=60)
        yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    case = make_volume(0, 40)
    write_image(case, folder / "i.nrrd")
    write_mask(case, folder / "m.nrrd")
    rows = "".join(f"c{n:03d},i.nrrd,m.nrrd\n" for n in range(CASES))
    (folder / "c.csv").write_text("id,Image,Mask\n" + rows)
    (folder / "p.yaml").write_text("imageType: {Original: {}, Wavelet: {}}\n")
    write_cluster(folder / "cluster.yaml")
    return folder


def write_cluster(path: Path, queue: str = "main") -> Path:
    logs = path.parent / "logs"
    path.write_text(
        f"slurm: {{cores: 1, memory: 1GB, queue: {queue}, walltime: '00:10:00', interface: lo, "
        f"log_directory: {logs}}}\njobs: 2\n"
    )
    return path


def start(
    folder: Path, out: Path, environment: dict[str, str], *more: str
) -> subprocess.Popen[str]:
    arguments = ["extract", str(folder / "c.csv"), "-o", str(out), "-p", str(folder / "p.yaml")]
    return subprocess.Popen(
        [*COMMAND, *arguments, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip


def jobs(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        ["squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%i"], env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_a_cancelled_job_costs_nothing(slurm: dict[str, str], folder: Path, tmp_path: Path) -> None:
    out, quiet = tmp_path / "out", tmp_path / "quiet"
    process = start(folder, out, slurm, "--cluster", str(folder / "cluster.yaml"))
    until = time.monotonic() + 120
    while len(list((out / "cases").glob("[!.]*.json"))) < 4:
        assert time.monotonic() < until, process.communicate()
        time.sleep(0.05)
    running = jobs(slurm)
    assert len(running) == 2
    subprocess.run(["scancel", "--signal=KILL", "--full", running[0]], env=slurm, check=True)
    said, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert f"{CASES} cases measured, 0 reused, 0 failed" in said
    events = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    assert sorted(event["id"] for event in events if event["event"] == "done") == [
        f"c{n:03d}" for n in range(CASES)
    ]
    assert sum(event["event"] == "retried" for event in events) <= 1
    until = time.monotonic() + 30
    while jobs(slurm):
        assert time.monotonic() < until
        time.sleep(0.2)
    plain = start(folder, quiet, slurm, "--workers", "1")
    _, err = plain.communicate(timeout=120)
    assert plain.returncode == 0, err
    assert (out / "features.csv").read_bytes() == (quiet / "features.csv").read_bytes()


def test_a_job_that_slurm_refuses_is_told(
    slurm: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    bad = write_cluster(tmp_path / "bad.yaml", queue="nowhere")
    process = start(folder, tmp_path / "out", slurm, "--cluster", str(bad))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 4, err
    assert "slurm refuses the job" in err
    assert "invalid partition" in err.lower()
    assert not (tmp_path / "out" / "features.csv").exists()
