"""Half the bits, rates that fall, and a head that paints anew, through the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from small_training import cyclegan, make_store, training_config  # noqa: E402
from torch import Tensor  # noqa: E402

from harmonize_kit.config.translation import ObjectiveConfig  # noqa: E402
from harmonize_kit.translation.intensity_range import InRange  # noqa: E402
from harmonize_kit.translation.model import (  # noqa: E402
    load_translator,
    save_translator,
    translator_of,
)
from harmonize_kit.translation.precision import fastest_convolutions  # noqa: E402
from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402

EVERYTHING = ObjectiveConfig(
    adversarial="relativistic", feature_matching=0.1, r1=0.01, r1_every=2, replay=4,
    structure=0.1, lesion=0.1, noise_gain=0.1, cycle_field=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("slices") / "store")


def trainer(folder: Path, store_folder: Path, head: str = "residual", **more: Any) -> Trainer:
    torch.set_num_threads(1)
    config = training_config(4, samples=0, **more)
    networks = cyclegan(head=head)
    return Trainer(networks, open_store(store_folder), EVERYTHING, config, folder)


def weights(trained: Trainer) -> dict[str, Tensor]:
    return {**trained.networks.state_dict(), **trained.average.state_dict()}


def test_bf16_leaves_weights_and_losses_in_32_bits(tmp_path: Path, store_folder: Path) -> None:
    ended: dict[str, list[dict[str, Tensor]]] = {}
    for precision in ("fp32", "bf16"):
        made = trainer(tmp_path / precision, store_folder, precision=precision)
        rates: list[float] = []
        with made.loader() as loader:
            ended[precision] = []
            for _ in range(4):
                ended[precision].append(made.advance(loader))
                rates.append(made.optimizers["discriminator"].param_groups[0]["lr"])
        # Whole for half of the steps, then in a straight line to zero after the last.
        assert rates == pytest.approx([4e-3, 4e-3, 4e-3, 2e-3])
        assert all(w.dtype == torch.float32 for w in made.networks.parameters())
    for before, losses in zip(ended["fp32"], ended["bf16"], strict=True):
        for name, loss in losses.items():
            assert loss.dtype == torch.float32, name
            # Eight bits of a verdict are some, and not those of another image.
            assert float(loss) == pytest.approx(float(before[name]), rel=0.2, abs=0.02), name
    first = [{n: float(v) for n, v in ended[p][1].items()} for p in ("fp32", "bf16")]
    assert first[0] != first[1]


def test_fp16_goes_on_with_the_scale_it_had(tmp_path: Path, store_folder: Path) -> None:
    def begun(name: str) -> Trainer:
        made = trainer(tmp_path / name, store_folder, precision="fp16", checkpoint_every=2)
        # The scale grows every step, so that it is another than at the start.
        made.scaler.set_growth_interval(1)
        return made

    straight, stopped = begun("straight"), begun("stopped")
    straight.train()
    stopped.train(until=3)
    again = begun("stopped")
    again.train()
    assert again.scaler.state_dict() == straight.scaler.state_dict()
    assert again.scaler.get_scale() != trainer(tmp_path / "x", store_folder).scaler.get_scale()
    for name, weight in weights(straight).items():
        assert torch.isfinite(weight).all()
        assert torch.equal(weight, weights(again)[name]), name


def test_a_head_that_paints_anew_reaches_what_the_images_show(
    tmp_path: Path, store_folder: Path
) -> None:
    made = trainer(tmp_path, store_folder, "direct")
    made.train()
    store = open_store(store_folder)
    assert store.images.max() > 2
    save_translator(translator_of(made, ["t1"]), tmp_path)
    model = load_translator(tmp_path)
    image = torch.from_numpy(store.images[:2].astype(np.float32))
    mask = torch.from_numpy(store.masks[:2, None] > 0)
    for network in (model.forwards, model.backwards["A"]):
        assert isinstance(network, InRange)
        assert float(network.low) < float(store.images.min())
        assert float(network.high) > float(store.images.max())
        for push, end in ((-1e3, network.low), (1e3, network.high)):
            with torch.no_grad():
                bias = dict(network.generator.named_parameters())["last.1.bias"]
                bias.fill_(push)
                painted = network(image, mask)
            torch.testing.assert_close(painted[mask], end.expand(int(mask.sum())))
            assert torch.equal(painted[~mask], image[~mask])


def test_a_generator_in_range_is_told_and_asked_on_its_own_scale() -> None:
    class Halved(torch.nn.Module):
        def forward(self, x: Tensor, mask: Tensor | None, places: Tensor | None) -> Tensor:
            assert mask is None
            assert places is None
            assert x.min() >= -1
            assert x.max() <= 1
            return x[:, 2:4] / 2

    from harmonize_kit.config.translation import GeneratorConfig

    network = InRange(Halved(), GeneratorConfig(channels=2, neighbours=1, head="direct"))
    network.low.copy_(torch.tensor([0.0, -10.0]))
    network.high.copy_(torch.tensor([4.0, 30.0]))
    images = torch.tensor([1.0, 20, 4, -10, 0, 30]).reshape(1, 6, 1, 1).expand(1, 6, 2, 2)
    # The middles are 2 and 10: half as far from them as they were.
    assert network(images).flatten(2)[0, :, 0].tolist() == [3.0, 0.0]


def test_algorithms_are_tried_where_there_is_a_choice_and_no_longer() -> None:
    flag = torch.backends.cudnn
    for device, wanted in (("cuda", True), ("cpu", False)):
        with fastest_convolutions(torch.device(device)):
            assert flag.benchmark is wanted
        assert flag.benchmark is False
