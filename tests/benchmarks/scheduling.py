"""What running cases costs beside measuring them, on synthetic cases of 8 x 8 x 8 voxels.

    python tests/benchmarks/scheduling.py [--cases 10000] [--scaling]

Prints, for one and for two workers, milliseconds a case of scheduling and bookkeeping beyond bare
measuring (of processor time over all processes, and of wall time), the peak memory of the driver at
a tenth of the cases and at all of them, and the time of a rerun that finds everything done. With
``--scaling``, the gain of two workers over one on 40 cases of a few seconds, and how
many of the two were at a case at any time: what the gain would be on a machine whose speed is even.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.flows.case import measure_case
from harmonize_kit.flows.plan import plan_extraction
from harmonize_kit.storage.images import write_image, write_mask

TINY = "featureClass: {firstorder: [Mean, Entropy, Energy], shape: [VoxelVolume]}\n"
SLOW = "imageType: {Original: {}, Wavelet: {}}\n"
DRIVER = """
import resource, sys, time
from multiprocessing import forkserver
from pathlib import Path
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.flows.extract import extract_to_folder
if __name__ == "__main__":
    cohort, out, params, workers = sys.argv[1:]
    start = time.perf_counter()
    run = extract_to_folder(
        Path(cohort), Path(out), params, ExecutionConfig(workers=int(workers))
    )
    seconds = time.perf_counter() - start
    # Its workers' time counts once the process they were forked from has been waited for.
    forkserver._forkserver._stop()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in used)
    print(seconds, cpu, used[0].ru_maxrss // 1024, run.computed, run.reused)
"""


def make_cohort(folder: Path, count: int, size: int, params: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(params)
    rng = np.random.default_rng(0)
    mask = np.zeros((size, size, size), np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    geometry = Geometry((size, size, size))
    rows = ["id,Image,Mask"]
    for number in range(count):
        array = rng.integers(0, 400, (size, size, size)).astype(np.int16)
        case = Volume(array, geometry, mask)
        write_image(case, folder / f"{number}.mha")
        if number == 0:
            write_mask(case, folder / "mask.mha")
        rows.append(f"c{number:05d},{number}.mha,mask.mha")
    path = folder / "cohort.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def first(cohort: Path, count: int) -> Path:
    """Return a table of the first cases of ``cohort``."""
    path = cohort.with_name(f"first_{count}.csv")
    path.write_text("\n".join(cohort.read_text().splitlines()[: count + 1]) + "\n")
    return path


def extract(cohort: Path, out: Path, workers: int) -> list[float]:
    """Return wall and processor seconds, driver's peak in MB, cases measured and reused."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, cohort, out, cohort.parent / "params.yaml", str(workers)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(text) for text in done.stdout.split()[-5:]]


def bare_seconds(cohort: Path) -> tuple[float, float]:
    """Return the mean wall and processor time of measuring one case, keeping nothing."""
    params = str(cohort.parent / "params.yaml")
    plan = plan_extraction(cohort, cohort.parent / "none", params, ExecutionConfig(workers=1))
    works = [type(work)(work.case, work.config) for work in plan.own[:300]]
    measure_case(works[0])
    wall, cpu = time.perf_counter(), time.process_time()
    for work in works:
        measure_case(work)
    return (time.perf_counter() - wall) / len(works), (time.process_time() - cpu) / len(works)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--scaling", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.scaling:
            cohort = make_cohort(folder / "data", 40, 64, SLOW)
            one, two = (extract(cohort, folder / f"out{n}", n) for n in (1, 2))
            kept = [json.loads(line) for line in (folder / "out2/journal.jsonl").open()]
            busy = sum(line["seconds"] for line in kept)
            print(
                f"40 cases: one worker {one[0]:.1f} s, two {two[0]:.1f} s, {one[0] / two[0]:.2f} "
                f"times as fast; processor {one[1]:.1f} s and {two[1]:.1f} s; the two worked "
                f"{busy:.1f} s at cases, {busy / two[0]:.2f} of them at any time"
            )
            return
        cohort = make_cohort(folder / "data", options.cases, 8, TINY)
        for workers in (1, 2):
            # Anew for each, since the machine may be busier by then.
            bare_wall, bare_cpu = bare_seconds(cohort)
            print(f"bare measuring: {1e3 * bare_wall:.2f} ms, {1e3 * bare_cpu:.2f} of processor")
            few = first(cohort, options.cases // 10)
            small = extract(few, folder / f"few{workers}", workers)
            wall, cpu, peak, computed, _ = extract(cohort, folder / f"out{workers}", workers)
            again = extract(cohort, folder / f"out{workers}", workers)
            print(
                f"{workers} worker(s): {computed:.0f} cases in {wall:.1f} s; beyond measuring "
                f"{1e3 * (cpu / computed - bare_cpu):.2f} ms of processor a case, "
                f"{1e3 * (wall / computed - bare_wall / workers):.2f} ms of wall time; driver's "
                f"peak {peak:.0f} MB, {small[2]:.0f} MB for a tenth; rerun {again[0]:.1f} s "
                f"({again[1]:.1f} s of processor) with {again[4]:.0f} reused, {again[2]:.0f} MB"
            )


if __name__ == "__main__":
    main()
