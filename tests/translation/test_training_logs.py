"""Where a training tells its losses, and what it says again after a stop."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.errors import ConfigError, DependencyError  # noqa: E402
from harmonize_kit.translation import event_logs  # noqa: E402
from harmonize_kit.translation.event_logs import open_logs, require_logs  # noqa: E402
from harmonize_kit.translation.metrics_file import MetricsFile  # noqa: E402
from harmonize_kit.translation.training_log import LogLine, TrainingLog  # noqa: E402


def tell(log: TrainingLog, after: int, losses: dict[int, float]) -> None:
    log.begin(after)
    for step, loss in losses.items():
        log.note(LogLine(step, "site é (1)", {"cycle": loss}))


def test_the_metrics_file_says_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tell(MetricsFile(path), 0, {1: 1.0, 2: float("nan"), 3: 3.0})
    tell(MetricsFile(path), 2, {3: 3.5})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["step"], line["cycle"]) for line in lines] == [(1, 1.0), (2, "nan"), (3, 3.5)]


def test_tensorboard_says_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (first,) = open_logs(["tensorboard"], tmp_path)
    tell(first, 0, {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0})
    (again,) = open_logs(["tensorboard"], tmp_path)
    tell(again, 2, {3: 3.5})
    again.end()
    shown = EventAccumulator(str(tmp_path / "tensorboard"))
    shown.Reload()
    seen = [(event.step, event.value) for event in shown.Scalars("cycle/site é (1)")]
    assert seen == [(1, 1.0), (2, 2.0), (3, 3.5)]
    first.end()


def test_mlflow_is_told_each_step_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from harmonize_kit.translation.mlflow_log import MlflowLog

    tell(MlflowLog(tmp_path), 0, {1: 1.0, 2: 2.0, 3: float("nan"), 4: 4.0})
    again = MlflowLog(tmp_path)
    tell(again, 2, {3: 3.0, 4: 4.0, 5: 5.0})
    again.end()
    run = json.loads((tmp_path / "mlflow.json").read_text())["run"]
    seen = again._client.get_metric_history(run, "cycle/site é _1_")
    assert [(metric.step, metric.value) for metric in seen] == [(n, n) for n in (1, 2, 4, 5)]
    assert again._client.get_run(run).info.status == "FINISHED"
    assert not caplog.text
    # A run that cannot be taken up is told, once, and another is begun.
    (tmp_path / "mlflow.json").write_text('{"run": ')
    anew = MlflowLog(tmp_path)
    anew.begin(5)
    tell(anew, 5, {6: 6.0})
    assert caplog.text.count("a new run is begun, since ") == 1
    assert "mlflow.json cannot be read (JSONDecodeError: " in caplog.text
    other = json.loads((tmp_path / "mlflow.json").read_text())["run"]
    assert other != run
    (tmp_path / "mlflow.json").write_text('{"run": "elsewhere", "step": 6}')
    MlflowLog(tmp_path).begin(6)
    assert "run elsewhere is not to be had from file:" in caplog.text
    # A store that goes away does not end a training.
    shutil.rmtree(tmp_path / "mlflow")
    for step in (6, 7):
        again.note(LogLine(step, "A", {"cycle": 1.0}))
    again.end()
    assert caplog.text.count("which goes on") == 1


def test_a_log_that_cannot_be_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'tensorboard'"):
        require_logs(["tensorbord"])
    with pytest.raises(ConfigError, match="--log-to mlflow"):
        require_logs([], "http://127.0.0.1:5000")

    def none_but(name: str) -> object:
        return None if name == "mlflow" else find_spec(name)

    monkeypatch.setattr(event_logs, "find_spec", none_but)
    with pytest.raises(DependencyError, match=r"pip install 'harmonize-kit\[mlflow\]'"):
        require_logs(["mlflow"])
