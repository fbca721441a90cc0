"""Trainings whose networks torch.compile has traced: the same losses, names and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from small_training import cyclegan, make_store, training_config  # noqa: E402

from harmonize_kit.config.translation import ObjectiveConfig, Phase  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit.translation.trainer import METRICS, Trainer  # noqa: E402

STEPS = 4


class Changes(torch.nn.Module):
    """A generator of one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: Any, mask: Any) -> Any:
        return torch.where(mask, x + self.layer(x), x)


class Judges(torch.nn.Module):
    """A discriminator of one convolution, whose verdict has a second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3)

    def forward(self, x: Any, mask: Any) -> Any:
        del mask
        verdict = self.layer(x).square()
        return verdict, [verdict]


def smallest() -> CycleGAN:
    networks = cyclegan()
    torch.manual_seed(2)
    networks.forwards, networks.backwards = Changes(), torch.nn.ModuleList([Changes()])
    networks.judges = torch.nn.ModuleList([Judges(), Judges()])
    return networks


@pytest.fixture(autouse=True)
def _traced(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """All of torch.compile but its writing of machine code, which takes minutes."""
    torch.set_num_threads(1)
    plain: Callable[..., None] = torch.nn.Module.compile  # pyright: ignore[reportUnknownMemberType]

    def compile_quickly(network: Any) -> None:
        plain(network, backend="aot_eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_quickly)


# Torch asks for what it then hides the warning of, which does not hide it where it is an error.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_a_compiled_training_is_the_same_and_goes_on_uncompiled(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "store"))
    objective = ObjectiveConfig(r1=0.01, r1_every=2, replay=4)

    def trainer(folder: str, fused: bool) -> Trainer:
        # The first step is at another resolution; every other one asks for a penalty.
        phases = (Phase(steps=1, shrink=2), Phase(steps=STEPS - 1))
        config = training_config(STEPS, phases=phases, compile=fused, checkpoint_every=1, samples=0)
        return Trainer(smallest(), store, objective, config, tmp_path / folder)

    trained: dict[str, Trainer] = {}
    for name, first, then in (
        ("plain", False, False), ("to_plain", True, False), ("to_fused", False, True)
    ):  # fmt: skip
        trainer(name, first).train(until=3)
        trained[name] = trainer(name, then)
        trained[name].train()
    lines = {
        name: [json.loads(line) for line in (tmp_path / name / METRICS).read_text().splitlines()]
        for name in trained
    }
    plain = trained["plain"]
    for name in ("to_plain", "to_fused"):
        for line, own in zip(lines["plain"], lines[name], strict=True):
            losses = {key: value for key, value in line.items() if key != "site"}
            assert {key: own[key] for key in losses} == pytest.approx(losses, rel=1e-4)
            assert list(own) == list(line)
        for mine, theirs in (
            (plain.networks.state_dict(), trained[name].networks.state_dict()),
            (plain.average.state_dict(), trained[name].average.state_dict()),
        ):
            assert list(mine) == list(theirs)
            for key, weight in mine.items():
                torch.testing.assert_close(weight, theirs[key], rtol=1e-4, atol=1e-6)
