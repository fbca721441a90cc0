"""Lightning's Trainer, driving our steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")
lightning = pytest.importorskip("lightning", reason="lightning is not installed (extra: lightning)")

from small_training import OBJECTIVE, cyclegan, make_store, training_config  # noqa: E402

from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation.lightning import LightningCycleGAN  # noqa: E402
from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402


def fit(module: LightningCycleGAN, **more: Any) -> None:
    quiet: dict[str, Any] = {
        "accelerator": "cpu", "logger": False, "enable_checkpointing": False,
        "enable_progress_bar": False, "enable_model_summary": False, "max_epochs": 1,
    }  # fmt: skip
    lightning.Trainer(**quiet, **more).fit(module)


@pytest.mark.filterwarnings("ignore")  # Lightning advises on workers, devices and loggers.
def test_lightning_takes_the_same_steps_and_goes_on_from_the_same_folder(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    store, config = open_store(make_store(tmp_path / "store")), training_config(6)

    def told(name: str) -> tuple[Any, ...]:
        return cyclegan(), store, OBJECTIVE, config, tmp_path / name

    ours = Trainer(*told("ours"))
    ours.train()
    stopped = LightningCycleGAN(*told("theirs"))
    fit(stopped, max_steps=2 * 5)
    assert stopped.loop.step == 5
    module = LightningCycleGAN(*told("theirs"))
    fit(module)
    for a, b in ((ours.networks, module.networks), (ours.average, module.loop.average)):
        for name, weight in a.state_dict().items():
            torch.testing.assert_close(weight, b.state_dict()[name], rtol=0, atol=1e-6)
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("ours", "theirs")]
    assert lines[0] == lines[1]
    with pytest.raises(ConfigError, match="precision: bf16"):
        fit(LightningCycleGAN(*told("other")), precision="bf16-mixed")
