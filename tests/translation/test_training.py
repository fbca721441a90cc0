"""The store, matched batches, checkpoints, and a training that can be stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    Phase,
    TrainingConfig,
)
from harmonize_kit.errors import ConfigError, ImageError, IntegrityError  # noqa: E402
from harmonize_kit.translation.checkpoint import load_latest, load_state, save_state  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.matching import match  # noqa: E402
from harmonize_kit.translation.store import (  # noqa: E402
    SlicedCase,
    open_store,
    write_store,
)
from harmonize_kit.translation.trainer import Trainer  # noqa: E402

SIZE = (24, 24)
NETWORKS: dict[str, Any] = {
    "generator": GeneratorConfig(architecture="unet", features=4, blocks=1, smooth_field=True),
    "discriminator": DiscriminatorConfig(features=4, layers=1),
}
TRAINING: dict[str, Any] = {
    "batch": 2, "crop": 16, "generator_rate": 2e-3, "discriminator_rate": 4e-3, "log_every": 1,
    "checkpoint_every": 4, "average": 0.5,
}  # fmt: skip
OBJECTIVE = ObjectiveConfig(
    r1=0.01,
    r1_every=2,
    replay=6,
    structure=0.1,
    lesion=0.1,
    noise_gain=0.1,
    feature_matching=0.1,
    cycle_field=0.1,
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)
    torch.manual_seed(0)


def case(number: int, site: str, *, lesion: bool = False, **covariates: Any) -> SlicedCase:
    """A textured disc, brighter and flatter at site B."""
    rng = np.random.default_rng(number)
    y, x = np.ogrid[-1 : 1 : SIZE[0] * 1j, -1 : 1 : SIZE[1] * 1j]
    mask = np.repeat(((y**2 + x**2) < 0.7)[None], 3, axis=0)
    images = rng.normal(size=(3, 1, *SIZE)).cumsum(-1) / 4
    images = images * 0.5 + 1 if site == "B" else images
    marked = np.zeros_like(mask)
    marked[1, 8:12, 8:12] = lesion
    return SlicedCase(f"{site}{number}", site, covariates, images, mask, marked)


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slices") / "store"
    cases = [
        case(n, "AB"[n % 2], lesion=n % 3 == 0, age=float(20 + n), sex="fm"[n // 2 % 2])
        for n in range(12)
    ]
    write_store(folder, cases, SIZE)
    return folder


def trainer(folder: Path, store_folder: Path, **more: Any) -> Trainer:
    torch.manual_seed(1)
    networks = CycleGAN("AB", "B", **NETWORKS)
    objective = more.pop("objective", OBJECTIVE)
    config = TrainingConfig.model_validate({"phases": (Phase(steps=8),), **TRAINING, **more})
    return Trainer(networks, open_store(store_folder), objective, config, folder)


def test_a_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    given = [case(1, "A"), case(2, "B", lesion=True)]
    write_store(tmp_path / "s", given, (28, 24))
    store = open_store(tmp_path / "s")
    assert store.sites == ("A", "B")
    assert store.images.shape == (6, 1, 28, 24)
    for stored, original in zip(store.cases, given, strict=True):
        rows = slice(stored.first, stored.first + stored.count)
        inside = original.mask
        found = store.images[rows, 0, 2:26][inside]
        np.testing.assert_allclose(found, original.images[:, 0][inside], rtol=1e-3, atol=1e-3)
        assert not store.images[rows, 0, 2:26][~inside].any()
        np.testing.assert_array_equal(store.masks[rows, 2:26] >= 1, inside)
    first = store.cases[0]
    seen = store.seen(first, 0, 1)
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[2], store.images[1, 0])
    assert store.cases[1].lesion_voxels == 16


def test_a_store_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="case A1: expected slices of at most 16 x 24 voxels"):
        write_store(tmp_path / "a", [case(1, "A")], (16, 24))
    strange = case(1, "A")
    strange.images[1, 0, 10, 10] = np.nan
    with pytest.raises(ImageError, match="normalise them first"):
        write_store(tmp_path / "a", [strange], SIZE)
    with pytest.raises(ConfigError, match="at least one case"):
        write_store(tmp_path / "a", [], SIZE)
    assert not (tmp_path / "a").exists()
    write_store(tmp_path / "a", [case(1, "A")], SIZE)
    with (tmp_path / "a" / "images.f16").open("ab") as file:
        file.write(b"x")
    with pytest.raises(IntegrityError, match="not as long as"):
        open_store(tmp_path / "a")
    with pytest.raises(ConfigError, match="no slices"):
        open_store(tmp_path / "b")


def test_batches_are_matched_on_covariates_and_lesions(store_folder: Path) -> None:
    store = open_store(store_folder)
    matching = match(store, "B", 0.5, seed=3)
    theirs, ours = matching.draw("A", 5, 0, 400)
    assert matching.draw("A", 5, 0, 400) == (theirs, ours)
    assert matching.draw("A", 6, 0, 400) != (theirs, ours)
    ages = np.array(
        [
            [a.covariates["age"], b.covariates["age"]]
            for (a, _), (b, _) in zip(theirs, ours, strict=True)
        ]
    )
    # As alike as six cases a site can be whose sex and load of lesions are alike as well.
    assert np.corrcoef(ages.astype(float), rowvar=False)[0, 1] > 0.4
    for (a, row_a), (b, row_b) in zip(theirs, ours, strict=True):
        assert a.site == "A"
        assert b.site == "B"
        assert a.covariates["sex"] == b.covariates["sex"]
        marked = [(store.masks[c.first + r] == 2).any() for c, r in ((a, row_a), (b, row_b))]
        assert marked[0] == marked[1]


def test_without_lesions_batches_are_matched_on_age_more_closely(tmp_path: Path) -> None:
    cases = [case(n, "AB"[n % 2], age=float(20 + n), sex="fm"[n // 2 % 2]) for n in range(12)]
    write_store(tmp_path / "s", cases, SIZE)
    drawn = match(open_store(tmp_path / "s"), "B", 0.5, seed=3).draw("A", 5, 0, 400)
    ages = np.array([[float(one.covariates["age"]) for one, _ in side] for side in drawn])
    assert np.corrcoef(ages)[0, 1] > 0.6


def test_a_case_like_nobody_is_named(tmp_path: Path) -> None:
    write_store(tmp_path / "s", [case(1, "A", sex="f"), case(2, "B", sex="m")], SIZE)
    with pytest.raises(ConfigError, match="no case of site 'B' is like case A1 of 'A' in sex"):
        match(open_store(tmp_path / "s"), "B", 0.5, 0)


def test_a_checkpoint_is_proved_and_one_cut_short_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = {
        "step": 3, 7: [torch.arange(5.0), None, True, "text"], "none": {},
        "half": (torch.ones(2, dtype=torch.bfloat16), 1.5),
    }  # fmt: skip
    paths = [tmp_path / f"step-{n:08d}.safetensors" for n in (1, 2)]
    for path in paths:
        save_state(path, state)
    back = load_state(paths[1])
    assert list(back) == list(state)
    assert back[7][1:] == [None, True, "text"]
    assert torch.equal(back[7][0], torch.arange(5.0))
    assert back["half"][0].dtype == torch.bfloat16
    assert isinstance(back["half"], tuple)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:-3])
    passed_over: Any = load_latest(tmp_path)
    assert passed_over["step"] == 3
    assert "step-00000002.safetensors is damaged or cut short" in caplog.text
    paths[1].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="changed after it was written"):
        load_state(paths[1])
    paths[0].write_bytes(b"")
    with pytest.raises(IntegrityError, match="none of 2 checkpoints is whole"):
        load_latest(tmp_path)
    assert load_latest(tmp_path / "nowhere") is None


def weights(trained: Trainer) -> dict[str, Any]:
    return {**trained.networks.state_dict(), **trained.average.state_dict()}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_and_taken_up_again_is_as_if_never_stopped(
    tmp_path: Path, store_folder: Path, accumulate: int
) -> None:
    straight = trainer(tmp_path / "straight", store_folder, accumulate=accumulate)
    straight.train()
    trainer(tmp_path / "stopped", store_folder, accumulate=accumulate).train(until=6)
    # Killed after step 6: the last checkpoint is of step 4, and the last line is torn.
    with (tmp_path / "stopped" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "si')
    again = trainer(tmp_path / "stopped", store_folder, accumulate=accumulate)
    again.train()
    for name, weight in weights(straight).items():
        assert torch.equal(weight, weights(again)[name]), name
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("straight", "stopped")]
    assert lines[0] == lines[1]
    assert len(lines[0].splitlines()) == 8
    assert {"adversarial", "cycle", "identity", "lesion", "structure"} < set(
        json.loads(lines[0].splitlines()[0])
    )
    assert len(list((tmp_path / "straight" / "checkpoints").iterdir())) == 2


def test_other_choices_do_not_go_on_from_a_checkpoint(tmp_path: Path, store_folder: Path) -> None:
    trainer(tmp_path, store_folder).train(until=4)
    with pytest.raises(IntegrityError, match="train into another folder"):
        trainer(tmp_path, store_folder, seed=5).train()


def test_training_learns_the_other_sites_brightness(tmp_path: Path, store_folder: Path) -> None:
    trained = trainer(
        tmp_path, store_folder, phases=(Phase(steps=30, shrink=2), Phase(steps=20)), crop=None,
        checkpoint_every=50, objective=ObjectiveConfig(identity=1.0, replay=8),
    )  # fmt: skip
    trained.train()
    store = open_store(store_folder)
    rows = [c.first + 1 for c in store.cases if c.site == "A"]
    image = torch.tensor(store.images[rows].astype(np.float32))
    mask = torch.tensor(store.masks[rows][:, None] >= 1)
    with torch.no_grad():
        forwards = next(trained.average.module.children())
        made = forwards(image, mask)
    # Site B's mean is 1 above site A's.
    moved = float((made - image)[mask].mean())
    assert 0.3 < moved < 1.5
    assert torch.equal(made[~mask], image[~mask])


def test_sizes_that_the_networks_cannot_halve_are_told_first(
    tmp_path: Path, store_folder: Path
) -> None:
    with pytest.raises(ConfigError, match=r"multiples of 16 .*got 24 x 24"):
        trainer(tmp_path, store_folder, crop=None, phases=(Phase(steps=1, shrink=4),)).train()
    with pytest.raises(ConfigError, match="crop of 32 voxels"):
        trainer(tmp_path, store_folder, crop=32).train()


def test_networks_must_speak_of_the_same_images() -> None:
    with pytest.raises(ConfigError, match="channels 2 and 1"):
        CycleGAN("AB", "B", GeneratorConfig(channels=2), DiscriminatorConfig())
    with pytest.raises(ConfigError, match="two sites or more, and 'C' among them, got A, B"):
        CycleGAN("AB", "C", GeneratorConfig(), DiscriminatorConfig())
