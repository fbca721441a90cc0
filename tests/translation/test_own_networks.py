"""Networks of the user's own: what they must offer, by name and handed over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from small_training import make_store, training_config  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
)
from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation.apply import apply_generator  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.model import (  # noqa: E402
    load_translator,
    save_translator,
    translator_of,
)
from harmonize_kit.translation.store import open_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402

# As a user would write them: no word of this package but what its documentation says.
SOURCE = '''
import torch
from torch import nn


class Brightness(nn.Module):
    """A gain and an offset for the whole image, from all slices seen."""

    def __init__(self, config):
        super().__init__()
        self.channels, self.first = config.channels, config.neighbours * config.channels
        seen = config.channels * (2 * config.neighbours + 1)
        self.line = nn.Conv2d(seen, config.channels, 1)

    def forward(self, images, mask):
        own = images[:, self.first : self.first + self.channels]
        return torch.where(mask, own + self.line(images), own)


class Edges(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.first = nn.Conv2d(config.channels, 4, 3)
        self.last = nn.Conv2d(4, 1, 3)

    def forward(self, images, mask):
        features = torch.relu(self.first(images))
        return self.last(features), [features]
'''
OWN: dict[str, Any] = {"architecture": "custom", "neighbours": 1}
OBJECTIVE = ObjectiveConfig(replay=2, feature_matching=0.1)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with a generator and a discriminator in it."""
    (tmp_path / "ownnets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ownnets", raising=False)
    return "ownnets"


def by_name(module: str) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(
        "AB",
        "B",
        GeneratorConfig(custom=f"{module}:Brightness", **OWN),
        DiscriminatorConfig(architecture="custom", custom=f"{module}:Edges"),
        [module],
    )


def trained(networks: CycleGAN, folder: Path, **more: Any) -> Trainer:
    torch.set_num_threads(1)
    store = open_store(make_store(folder / "store"))
    config = training_config(4, samples=1, **more)
    made = Trainer(networks, store, OBJECTIVE, config, folder / "model")
    made.train()
    return made


def test_networks_by_name_are_trained_saved_loaded_and_applied(
    tmp_path: Path, written: str
) -> None:
    ended = trained(by_name(written), tmp_path)
    save_translator(translator_of(ended, ["t1"]), tmp_path / "model")
    with pytest.raises(ConfigError, match=f"--allow {written}"):
        load_translator(tmp_path / "model")
    model = load_translator(tmp_path / "model", allowed=[written])
    assert model.config.custom == f"{written}:Brightness"
    images = np.random.default_rng(0).normal(size=(1, 5, 18, 21)).astype(np.float32)
    mask = images[0] > -0.5
    made = apply_generator(model.forwards, model.config, images, mask)
    np.testing.assert_array_equal(made.images[0][~mask], images[0][~mask])
    assert np.abs(made.images - images)[0][mask].min() > 0
    # It goes on from its checkpoint as any other does.
    again = Trainer(by_name(written), ended.store, OBJECTIVE, ended.config, ended.folder)
    again.resume()
    assert again.step == 4


class Handed(nn.Module):
    """Made by its user, of what a configuration knows nothing of."""

    def __init__(self, width: int, *, clean: bool = True) -> None:
        super().__init__()
        self.clean = clean
        self.body = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 1, 1))

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        made = images + self.body(images)
        return torch.where(mask, made, images) if self.clean else made


class Judge(nn.Module):
    """A verdict on the mean of features."""

    def __init__(self, *, features: bool = True, pair: bool = True) -> None:
        super().__init__()
        self.features, self.pair = features, pair
        self.layer = nn.Conv2d(1, 3, 3)

    def forward(self, images: Tensor, mask: Tensor) -> Any:
        found = self.layer(images) * mask.any()
        verdict = found.mean(1, keepdim=True)
        return (verdict, [found] * self.features) if self.pair else verdict


def handed(generator: nn.Module, discriminator: nn.Module | None = None) -> CycleGAN:
    return CycleGAN(
        "AB", "B", GeneratorConfig(), DiscriminatorConfig(features=4, layers=1),
        own_generator=generator, own_discriminator=discriminator,
    )  # fmt: skip


def test_networks_that_are_handed_over_are_copied(tmp_path: Path) -> None:
    torch.manual_seed(0)
    given = Handed(3)
    before = {name: weight.clone() for name, weight in given.state_dict().items()}
    ended = trained(handed(given, Judge()), tmp_path)
    assert all(torch.equal(weight, before[name]) for name, weight in given.state_dict().items())
    save_translator(translator_of(ended, ["t1"]), tmp_path / "model")
    with pytest.raises(ConfigError, match="--allow"):
        load_translator(tmp_path / "model")
    model = load_translator(tmp_path / "model", own_generator=Handed(3))
    mean = next(ended.average.module.children())
    for name, weight in model.forwards.state_dict().items():
        assert torch.equal(weight, mean.state_dict()[name])
        assert not torch.equal(weight, before[name])
    with pytest.raises(Exception, match="does not fit the networks"):
        load_translator(tmp_path / "model", own_generator=Handed(4))


class Awkward(nn.Module):
    """Halves four times, as many a U-Net does, which slices in use do not bear."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        made = self.layer(nn.functional.avg_pool2d(images, 8))
        own = nn.functional.interpolate(made, scale_factor=8.0)
        return torch.where(mask, images + own, images)


class Still(nn.Module):
    """Learns nothing."""

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        return images.clone()


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        ((Handed(2, clean=False),), r"Handed' changes what lies outside of the mask.*torch\.where"),
        ((Awkward(),), r"Awkward' could not be called with images of shape \(2, 1, 16, 20\)"),
        ((Still(),), "depends on no weights"),
        ((nn.Conv2d(1, 1, 1),), r"Conv2d' could not be called .* and their mask"),
        ((Judge(),), r"expected images of shape \(2, 1, 16, 20\), got a tuple"),
        ((Handed(2), Judge(pair=False)), r"verdicts and a list of features, got shape \(2, 1, "),
        ((Handed(2), Judge(features=False)), "gives no features, and feature_matching"),
        ((Handed(2), Handed(2)), r"verdicts and a list of features, got shape \(2, 1, 16, 16\)"),
    ],
)
def test_what_a_network_lacks_is_told_before_the_first_step(
    tmp_path: Path, networks: tuple[nn.Module, ...], told: str
) -> None:
    made = handed(*networks)
    state = torch.get_rng_state()
    with pytest.raises(ConfigError, match=told):
        trained(made, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert not (tmp_path / "model" / "metrics.jsonl").exists()


def test_a_network_that_cannot_be_made_from_its_configuration_says_so() -> None:
    config = GeneratorConfig(architecture="custom", custom="torch.nn:Conv2d")
    with pytest.raises(ConfigError, match=r"'torch\.nn:Conv2d' is made from one argument"):
        CycleGAN("AB", "B", config, DiscriminatorConfig(), ["torch"])
