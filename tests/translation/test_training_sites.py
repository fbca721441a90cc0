"""Several sites take turns: each is penalised, told of and watched."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from small_training import OBJECTIVE, cyclegan, make_store, training_config  # noqa: E402

from harmonize_kit.translation.loss_means import LossMeans  # noqa: E402
from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402
from harmonize_kit.translation.warning_signs import (  # noqa: E402
    NOTES,
    REMEMBERED,
    STEPS,
    WarningSigns,
)

SITES = "ABCD"


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("slices") / "store", SITES)


def trainer(folder: Path, store_folder: Path, **more: Any) -> Trainer:
    torch.set_num_threads(1)
    config = training_config(12, batch=1, samples=0, **more)
    # By the step alone, every third of which is A's, C and D would never be penalised.
    objective = OBJECTIVE.model_copy(update={"r1_every": 3})
    return Trainer(cyclegan(SITES), open_store(store_folder), objective, config, folder)


def lines_of(trained: Trainer) -> list[dict[str, Any]]:
    text = (trained.folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_every_site_is_penalised_and_told_of(tmp_path: Path, store_folder: Path) -> None:
    every = trainer(tmp_path / "every", store_folder)
    every.train()
    lines = lines_of(every)
    # Twelve steps, three sites that take turns, and a penalty in the first and the fourth of each.
    assert [line["site"] for line in lines] == list("ACD") * 4
    assert Counter(line["site"] for line in lines if "penalty" in line) == dict.fromkeys("ACD", 2)

    # Notes of steps 6 and 12, and stopped between: what was to be told is in the checkpoint.
    trainer(tmp_path / "rare", store_folder, log_every=6).train(until=5)
    rare = trainer(tmp_path / "rare", store_folder, log_every=6)
    shown: list[tuple[int, int, float]] = []
    rare.progress = lambda step, steps, losses: shown.append((step, steps, losses["cycle"]))
    rare.train()
    last = [line["cycle"] for line in lines_of(rare)[3:]]
    assert [one[:2] for one in shown] == [(6, 12), (12, 12)]
    assert shown[1][2] == pytest.approx(sum(last) / 3)
    assert [(line["step"], line["site"]) for line in lines_of(rare)] == [
        (step, site) for step in (6, 12) for site in "ACD"
    ]
    for told in lines_of(rare):
        own = [
            line for line in lines
            if line["site"] == told["site"] and told["step"] - 6 < line["step"] <= told["step"]
        ]  # fmt: skip
        assert len(own) == 2
        for name in told.keys() - {"step", "site"}:
            values = [line[name] for line in own if name in line]
            assert told[name] == pytest.approx(sum(values) / len(values), rel=1e-5), name
        assert "penalty" in told
    for name, weight in every.networks.state_dict().items():
        assert torch.equal(weight, rare.networks.state_dict()[name]), name


def test_means_wait_for_what_is_asked_and_begin_anew() -> None:
    means = LossMeans()
    one, other = torch.tensor(1.0), torch.tensor(4.0)
    means.add("A", {"cycle": one, "penalty": other})
    means.add("A", {"cycle": other})
    means.add("C", {"cycle": one})
    kept = LossMeans()
    kept.load_state_dict(means.state_dict(), torch.device("cpu"))
    for told in (means.take(), kept.take()):
        assert {site: steps for site, (steps, _) in told.items()} == {"A": 2, "C": 1}
        assert {name: float(v) for name, v in told["A"][1].items()} == {"cycle": 2.5, "penalty": 4}
    assert one.item() == 1
    assert means.take() == {}


def signs_of(values: list[dict[str, float]], steps: int = 50) -> list[str]:
    signs = WarningSigns()
    for number, one in enumerate(values, start=1):
        signs.read(number * steps, "A", steps, one)
    return signs.told


LOCKED = {"change": 1e-5, "discriminator_gradient": 1.0}
SILENT = {"change": 0.1, "discriminator_gradient": 1e-3}
HEALTHY = {"change": 0.1, "discriminator_gradient": 1.0}


def test_signs_are_told_at_the_third_note_and_not_before() -> None:
    assert signs_of([LOCKED] * (NOTES - 1)) == []
    (told,) = signs_of([LOCKED] * 30)
    assert told.startswith("step 150: images of site 'A' hardly change (1.0e-05)")
    (told,) = signs_of([HEALTHY] * REMEMBERED + [SILENT] * REMEMBERED)
    assert "the discriminators' gradient fell to 1.0e-03 of 1.0e+00 at site 'A'" in told
    assert signs_of([HEALTHY] * 20) == []
    # The first steps of a healthy training change little; a few of them are no sign.
    assert signs_of([LOCKED] * (STEPS - 1), steps=1) == []
    assert len(signs_of([LOCKED] * STEPS, steps=1)) == 1
    overflown = HEALTHY | {"discriminator_gradient": float("inf")}
    assert signs_of([overflown, HEALTHY, overflown, LOCKED]) == []


def test_each_site_is_watched_for_itself_and_after_a_stop() -> None:
    signs = WarningSigns()
    for step in range(50, 50 * 8, 50):
        signs.read(step, "A", 25, HEALTHY)
        if step <= 100:
            continue
        # Taken up again between any two notes.
        again = WarningSigns()
        again.load_state_dict(signs.state_dict())
        signs = again
        signs.read(step, "C", 25, LOCKED)
    assert len(signs.told) == 1
    assert signs.told[0].startswith("step 250: images of site 'C' hardly change")
    assert signs.read(400, "C", 25, LOCKED) == []
