"""harmonize-kit translate: what it says, and the codes it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from normalised_heads import TINY, make_heads

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit_cli import main as entry  # noqa: E402
from harmonize_kit_cli import step_progress  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


def call(*arguments: object) -> int:
    return entry._run(["translate", *map(str, arguments)])


def test_train_apply_and_extract_take_what_the_one_before_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table, model, out = make_heads(tmp_path / "in", "ABAB"), tmp_path / "model", tmp_path / "out"
    config = tmp_path / "config.json"
    training = {**TINY["training"], "phases": [{"steps": 2}]}
    config.write_text(json.dumps({**TINY, "training": training}))
    train = ("train", table, "-o", model, "-c", config, "--site", "scanner", "--device", "cpu")
    assert call(*train) == 4
    assert "--reference, one of A, B" in capfd.readouterr().err
    assert call(*train, "--reference", "A", "--resume") == 4
    assert not model.exists()
    assert call(*train, "--reference", "A") == 0
    told = capfd.readouterr()
    assert "Trained on 20 slices (2 of A, 2 of B), 2 steps" in told.out
    assert "images of B to A\n" in told.out
    assert "2/2 steps, adversarial" in told.err
    assert call(*train, "--reference", "A", "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["ok"], document["steps"], document["begun_at"]) == (True, 2, 2)
    inspect(model, capfd)

    apply = ("apply", model, table, "-o", out, "--site", "scanner", "--device", "cpu")
    assert call(*apply, "--dry-run") == 0
    assert "4 cases: 0 kept from before, 4 to translate" in capfd.readouterr().out
    assert not out.exists()
    assert call(*apply) == 0
    assert "Note: 2 cases are of 'A' already" in capfd.readouterr().out
    assert call(*apply, "--json") == 0
    assert json.loads(capfd.readouterr().out)["reused"] == 4
    features = ["extract", str(out / "cohort.csv"), "-o", str(tmp_path / "features"), "--dry-run"]
    assert entry._run([*features, "--workers", "1"]) == 0
    assert "4 cases: 0 kept from before" in capfd.readouterr().out

    damaged = tmp_path / "in" / "3_t1.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert call(*apply) == 3
    assert "003: TRUNCATED" in capfd.readouterr().out
    (model / "model.safetensors").write_bytes(b"")
    assert call(*apply) == 7
    assert entry._run(["inspect", str(model)]) == 7
    assert "changed after it was written" in capfd.readouterr().err


def inspect(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Networks say what they are without torch, which only their use needs."""
    code = (
        "import sys; from harmonize_kit_cli.main import _run;"
        f"code = _run(['inspect', {str(model)!r}]); sys.exit(code or 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "unet, residual head, 4 features" in told.stdout
    assert "of 0.9 x 0.9 x 2.5 mm\n" in told.stdout
    assert entry._run(["inspect", str(model), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["kind"], found["reference"], found["takes_back_to"]) == ("cyclegan", "A", ["B"])
    assert found["sites"] == {"A": {"cases": 2}, "B": {"cases": 2}}
    assert (found["steps"], found["serves_any_site"], found["cases"]) == (2, False, 4)
    assert found["configuration"]["training"]["batch"] == TINY["training"]["batch"]
    assert found["trained_on_sha256"] == open_store(model / "slices").digest


def test_what_blurs_a_site_is_measured_kept_and_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    own = {
        "generator": {**TINY["generator"], "degradation": "measured"},
        "training": {**TINY["training"], "phases": [{"steps": 2}]},
    }
    config.write_text(json.dumps({**TINY, **own}))

    def train(table: Path, model: Path) -> int:
        return call("train", table, "-o", model, "-c", config, "--site", "scanner", "--device",
                    "cpu", "--reference", "A")  # fmt: skip

    small = make_heads(tmp_path / "small", "ABAB")
    assert train(small, tmp_path / "none") == 4
    assert "squares of 16 x 16 voxels, got none at 'A'" in capfd.readouterr().err
    table = make_heads(tmp_path / "in", "ABAB", sizes=(28, 30, 5), radius=13.0)
    model = tmp_path / "model"
    assert train(table, model) == 0
    assert entry._run(["inspect", str(model)]) == 0
    assert "degradation   B beside A: t1 blurred by" in capfd.readouterr().out
    assert entry._run(["inspect", str(model), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)["degradation"]["B"]
    assert [len(told[name]) for name in ("blur_voxels", "noise")] == [1, 1]
    apply = ("apply", model, table, "--site", "scanner", "--device", "cpu", "-o")
    assert call(*apply, tmp_path / "to_b", "--to", "B") == 0
    assert call(*apply, tmp_path / "to_a") == 0


def test_without_torch_it_says_what_to_install(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert call("train", "c.csv", "-o", tmp_path / "m", "--site", "s", "--reference", "A") == 6
    assert "pip install 'harmonize-kit[image]'" in capfd.readouterr().err
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.json").write_text('{"schema": "harmonize-kit/translator"}')
    assert call("apply", tmp_path / "model", "c.csv", "-o", tmp_path / "m") == 6


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from harmonize_kit_cli.main import _run; _run(['translate', 'apply', '-h']);"
        "import harmonize_kit.flows.translate; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_progress_tells_losses_pace_and_time_left(capfd: pytest.CaptureFixture[str]) -> None:
    losses = {"cycle": 0.5, "discriminator_gradient": 3.0}
    with step_progress.training_progress(quiet=False) as (cases, steps):
        cases(None, 2, 2)
        steps(40, 100, {})
        steps(50, 100, losses)
        steps(100, 100, losses)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("2/2 cases")
    assert lines[1] == "40/100 steps, 40 were done before"
    # Between the first and the last step a line comes every half minute alone.
    assert len(lines) == 3
    assert lines[2].startswith("100/100 steps, cycle 0.5, ")
    assert lines[2].endswith(" s a step")
    with step_progress.training_progress(quiet=True) as (cases, steps):
        cases(None, 0, 2)
        steps(50, 100, losses)
    assert capfd.readouterr().err == ""


def test_a_terminal_shows_one_bar_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown: list[Any] = []
    with step_progress.training_progress(quiet=False) as (cases, steps):
        cases(None, 0, 2)
        cases("done", 1, 2)
        steps(0, 10, {})
        steps(5, 10, {"cycle": 0.25})
        shown.append(steps)
    assert shown
