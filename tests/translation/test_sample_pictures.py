"""Pictures of a training: fixed slices, what they show, and that they cost nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from PIL import Image  # noqa: E402
from small_training import OBJECTIVE, cyclegan, make_store, training_config  # noqa: E402

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.sample_pictures import choose_samples, draw_samples  # noqa: E402
from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402


def test_samples_are_of_all_sites_in_turn_where_lesions_are(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "store", "ABABAC"))
    chosen = choose_samples(store, ("A", "C"), 3)
    assert [(case.id, number) for case, number in chosen] == [("0", 1), ("5", 1), ("2", 1)]
    assert len(choose_samples(store, ("A", "C"), 9)) == 4


def test_a_picture_shows_before_after_change_and_back(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    store = open_store(make_store(tmp_path / "store", "ABC", channels=2))
    networks = cyclegan("ABC", channels=2, neighbours=1, coordinates=True)
    draw = tmp_path / "a.png"
    generators = torch.nn.ModuleList([networks.forwards, networks.backwards])
    draw_samples(draw, networks, generators, store, 2)
    picture = np.asarray(Image.open(draw))
    # Slices of 24 voxels are shown 4 times as large; 2 samples of 2 modalities are 4 rows.
    wide, gap = 4 * 24, 4 * 4
    assert picture.shape == (4 * 96 + 2 * 14 + 2 * 4, 4 * wide + 3 * gap, 3)
    starts = [n * (wide + gap) for n in range(4)]
    before, after, change, back = (picture[14 : 14 + wide, s : s + wide] for s in starts)
    # Networks that have learned nothing change nothing.
    assert len(np.unique(before)) > 5
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(before, back)
    assert (change == 255).all()
    with torch.no_grad():
        for weight in networks.forwards.parameters():
            weight.add_(0.2)
    draw_samples(draw, networks, generators, store, 2)
    changed = np.asarray(Image.open(draw))[14 : 14 + wide, starts[2] : starts[2] + wide]
    assert (changed != 255).any()
    # Outside of the head nothing does.
    assert (changed[:4, :4] == 255).all()


def test_a_picture_of_a_patch_shows_the_plane_of_its_slice(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    store = open_store(make_store(tmp_path / "store"))
    small: dict[str, Any] = {"architecture": "unet", "features": 2, "blocks": 1, "dimensions": 3}
    networks = CycleGAN(
        "AB", "B", GeneratorConfig(**small, coordinates=True),
        DiscriminatorConfig(features=2, layers=1, dimensions=3),
    )  # fmt: skip
    draw = tmp_path / "a.png"
    generators = torch.nn.ModuleList([networks.forwards, networks.backwards])
    draw_samples(draw, networks, generators, store, 1, 16)
    picture = np.asarray(Image.open(draw))
    # 16 voxels are shown 6 times as large, and the three slices are the middle ones of the patch.
    assert picture.shape == (96 + 14, 4 * 96 + 3 * 6 * 4, 3)
    shown = picture[14 + 3 :: 6, 3:96:6, 0].astype(float)
    ((case, number),) = choose_samples(store, ("A",), 1)
    plane = store.images[case.first + number, 0, 4:20, 4:20].astype(float)
    inside = store.masks[case.first + number, 4:20, 4:20] > 0
    assert np.corrcoef(shown[inside], plane[inside])[0, 1] > 0.98


def test_a_training_leaves_a_picture_beside_every_checkpoint(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    store = open_store(make_store(tmp_path / "store"))
    trained: list[Trainer] = []
    for count in (0, 2):
        config = training_config(4, checkpoint_every=2, samples=count)
        trained.append(Trainer(cyclegan(), store, OBJECTIVE, config, tmp_path / str(count)))
        trained[-1].train()
    assert not (tmp_path / "0" / "samples").exists()
    names = sorted(path.name for path in (tmp_path / "2" / "samples").iterdir())
    assert names == ["step_000002.png", "step_000004.png"]
    for name, weight in trained[0].average.state_dict().items():
        assert torch.equal(weight, trained[1].average.state_dict()[name])
    # How many are drawn is no other training.
    config = training_config(4, checkpoint_every=2, samples=1)
    Trainer(cyclegan(), store, OBJECTIVE, config, tmp_path / "2").train()


def test_a_compiled_training_names_weights_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def compile_nothing(call: Any, **more: Any) -> Any:
        compiled.append(more)
        return lambda *given: call(*given)

    # What a compiler makes of a network replaces its call, and takes seconds to make.
    monkeypatch.setattr(torch, "compile", compile_nothing)
    store = open_store(make_store(tmp_path / "store"))
    plain, fused = (
        Trainer(cyclegan(), store, OBJECTIVE, training_config(2, compile=own), tmp_path / str(own))
        for own in (False, True)
    )
    for trained in (plain, fused):
        trained.train()
    # Two generators and two discriminators.
    assert len(compiled) == 4
    for name, weight in plain.networks.state_dict().items():
        assert torch.equal(weight, fused.networks.state_dict()[name])
    plain.networks.load_state_dict(fused.networks.state_dict())
    plain.average.load_state_dict(fused.average.state_dict())
