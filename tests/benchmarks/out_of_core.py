"""A table larger than memory: fit and apply from disk, with time, peak memory and the disk's share.

    python tests/benchmarks/out_of_core.py [--cases 10000] [--features 200000] [--sites 10]
        [--storage zarr|parquet] [--memory 2G] [--workers 1] [--folder DIR]

Makes a table of float32 in DIR (a temporary folder unless said otherwise), runs ``fit`` and
``apply`` of the command line on it, each in a process of its own, and removes it. The disk's share
is what the same files take to be read (fit), or read and written once more (apply), with nothing
computed; files are pushed out of the page cache before each run.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS, COLUMNS = 1000, 2000


@dataclass(frozen=True)
class Measured:
    """Seconds on the clock and of the processor, and the peak of resident memory in bytes."""

    wall: float
    processor: float
    peak: int


def make_table(folder: Path, n: int, p: int, k: int, storage: str) -> Path:
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"id": [f"sub-{row:06d}" for row in range(n)]})
    people["site"] = [f"s{row % k}" for row in range(n)]
    people["age"] = rng.uniform(20, 80, n).round(2)
    people["sex"] = rng.choice(["F", "M"], n)
    people.to_csv(folder / "people.csv", index=False)
    shift = rng.normal(size=(k, p)).astype(np.float32)
    slope = (rng.normal(size=p) / 20).astype(np.float32)

    def rows(start: int, stop: int) -> Any:
        values = rng.standard_normal((stop - start, p), dtype=np.float32)
        values += shift[np.arange(start, stop) % k]
        age = people["age"].to_numpy(dtype=np.float32)[start:stop]
        # In place: the table that is made must not be what takes the memory.
        for row, years in enumerate(age):
            values[row] += years * slope
        return values

    names = [f"feature_{column}" for column in range(p)]
    write = write_zarr if storage == "zarr" else write_parquet
    return write(folder, people, names, rows)


def write_zarr(
    folder: Path, people: pd.DataFrame, names: list[str], rows: Callable[[int, int], Any]
) -> Path:
    import zarr

    opened: Any = zarr
    path = folder / "values.zarr"
    group = opened.open_group(str(path), mode="w")
    n, p = len(people), len(names)
    chunks = (min(ROWS, n), min(COLUMNS, p))
    array = group.create_array("values", shape=(n, p), dtype="float32", chunks=chunks)
    for start in range(0, n, ROWS):
        array[start : start + ROWS] = rows(start, min(start + ROWS, n))
    for name, texts in (("id", list(people["id"])), ("feature", names)):
        stored = group.create_array(name, shape=(len(texts),), dtype=str)
        stored[:] = np.array(texts, dtype=object)
    return path


def write_parquet(
    folder: Path, people: pd.DataFrame, names: list[str], rows: Callable[[int, int], Any]
) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = folder / "parts"
    path.mkdir()
    for start in range(0, len(people), ROWS):
        stop = min(start + ROWS, len(people))
        values = np.asfortranarray(rows(start, stop))
        columns = [pa.array(list(people["id"][start:stop]))]
        columns += [pa.array(values[:, column]) for column in range(len(names))]
        table = pa.Table.from_arrays(columns, names=["id", *names])
        parquet.write_table(table, path / f"part-{start:06d}.parquet")
    return path


def measure(*command: str) -> Measured:
    start = time.perf_counter()
    program = str(Path(sys.executable).with_name("harmonize-kit"))
    child = os.posix_spawn(program, [program, *command], dict(os.environ))
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    wall = time.perf_counter() - start
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def push_out(path: Path) -> int:
    """Push the files of a folder out of the page cache; return their bytes."""
    os.sync()
    total = 0
    for file in path.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            total += file.stat().st_size
    return total


def read_seconds(path: Path) -> float:
    start = time.perf_counter()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb") as opened:
                while opened.read(1 << 24):
                    pass
    return time.perf_counter() - start


def copy_seconds(path: Path, target: Path) -> float:
    start = time.perf_counter()
    shutil.copytree(path, target)
    os.sync()
    taken = time.perf_counter() - start
    shutil.rmtree(target)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=200_000)
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--storage", choices=["zarr", "parquet"], default="zarr")
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--workers", default="1")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        # In a process of its own: a child's peak of memory begins at what its parent holds.
        size = (folder, options.cases, options.features, options.sites, options.storage)
        with get_context("spawn").Pool(1) as pool:
            path = pool.apply(make_table, size)
        held = push_out(path)
        print(f"{options.cases} x {options.features} float32 as {options.storage}: {held:.3g} B")
        disk = {"fit": read_seconds(path)}
        push_out(path)
        disk["apply"] = copy_seconds(path, folder / "copy")
        output = folder / f"out{path.suffix}"
        common = ["--covariates", str(folder / "people.csv"), "--memory", options.memory]
        common += ["--workers", options.workers, "-q"]
        model = str(folder / "model")
        commands = {
            "fit": ["fit", str(path), "-o", model, "--site", "site", "--preserve", "age + sex"],
            "apply": ["apply", model, str(path), "-o", str(output)],
        }
        for task, command in commands.items():
            push_out(path)
            found = measure(*command, *common)
            print(
                f"{task:6s} {found.wall:8.1f} s ({found.processor:.1f} s of processor), of it the "
                f"disk {disk[task]:.1f} s; peak {found.peak / 1e9:.2f} GB"
            )


if __name__ == "__main__":
    main()
