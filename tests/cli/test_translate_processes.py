"""harmonize-kit translate train in several processes, each told its place as torchrun tells it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from normalised_heads import TINY, make_heads

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.translation.model import load_translator  # noqa: E402
from harmonize_kit_cli import main as entry  # noqa: E402

ROOT = Path(__file__).parents[2]
# Two processes by forking, so that torch is loaded once.
SCRIPT = """
import json, os, sys
import torch, torch._dynamo
import harmonize_kit.flows.translate_train
from harmonize_kit_cli.main import main
torch.set_num_threads(1)
codes = []
for port, arguments in json.loads(sys.argv[1]):
    sys.stdout.flush()
    children = []
    for rank in (0, 1):
        child = os.fork()
        if child == 0:
            os.environ |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            }
            main(arguments)
        children.append(child)
    codes.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
print(json.dumps(codes))
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def write_config(path: Path, batch: int) -> Path:
    training = {
        **TINY["training"], "phases": [{"steps": 3}], "batch": batch, "log_every": 3, "samples": 1,
    }  # fmt: skip
    # What was made earlier is kept by each process for itself, so that nothing is. Means of a batch
    # are compared, so that they must be exchanged.
    objective = {
        "replay": 0, "r1": 0.01, "r1_every": 2, "adversarial": "relativistic",
        "feature_matching": 1.0, "noise_gain": 0.1, "cycle_field": 0.1,
    }  # fmt: skip
    config = {**TINY, "objective": objective, "training": training}
    path.write_text(json.dumps(config))
    return path


@pytest.mark.timeout(900)
def test_two_processes_are_one_with_twice_the_batch(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    train = ["translate", "train", str(table), "--reference", "A", "--device", "cpu", "--site"]
    one, two = (write_config(tmp_path / f"{n}.json", n) for n in (2, 1))
    runs = [
        [free_port(), [*train, "skanner", "-o", str(tmp_path / "none"), "-c", str(two)]],
        [free_port(), [*train, "scanner", "-o", str(tmp_path / "two"), "-c", str(two)]],
    ]
    here = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}:{ROOT / 'configs'}"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(runs)], env=here, check=True, timeout=800,
        capture_output=True, text=True,
    )  # fmt: skip
    codes = json.loads(done.stdout.splitlines()[-1])
    # What the first process refuses it alone explains, and all end.
    assert codes == [[4, 5], [0, 0]], done.stderr
    assert done.stderr.count("Did you mean 'scanner'?") == 1
    assert "process 2 of 2 ends because the first one failed" in done.stderr
    assert not (tmp_path / "none").exists()
    # One process speaks.
    assert done.stdout.count("Trained on 20 slices (2 of A, 2 of B), 3 steps") == 1
    assert done.stderr.count("3/3 steps") == 1
    assert entry._run([*train, "scanner", "-o", str(tmp_path / "one"), "-c", str(one)]) == 0
    models = [load_translator(tmp_path / name) for name in ("one", "two")]
    for name, weight in models[0].forwards.state_dict().items():
        theirs = models[1].forwards.state_dict()[name]
        torch.testing.assert_close(weight, theirs, rtol=0, atol=1e-5)
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert len(lines[0]) == len(lines[1]) == 1
    assert [line[0].pop("site") for line in lines] == ["B", "B"]
    assert lines[1][0] == pytest.approx(lines[0][0], rel=1e-3)
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["counts"]["processes"] == 2
    assert record["counts"]["peak_memory_bytes"] > 2**20
    capfd.readouterr()
