"""The image path of the demo, with fewer and coarser heads and a network that learns for steps."""

import json
from pathlib import Path
from typing import Any

import pytest

from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.storage.columns import read_text_table

pytest.importorskip("torch", reason="torch is not installed")

CONFIG = """
generator: {architecture: unet, features: 4, blocks: 1, smooth_field: true, coordinates: true}
discriminator: {features: 4, layers: 2, spectral_norm: false, coordinates: true}
training: {phases: [{steps: 4}], batch: 2, crop: 32}
"""
PARAMS = """
imageType: {Original: {}}
featureClass: {firstorder: [], shape: [Elongation]}
setting: {binWidth: 0.05, voxelArrayShift: 10}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from harmonize_kit.flows.demo_images import demo_images

    folder = tmp_path_factory.mktemp("demo")
    (folder / "networks.yaml").write_text(CONFIG)
    (folder / "params.yaml").write_text(PARAMS)
    judging = CompareConfig(folds=3, bootstraps=20, permutations=10)
    with pytest.warns():
        demo_images(
            folder, subjects=24, spacing=5.0, config=str(folder / "networks.yaml"),
            params=str(folder / "params.yaml"), judging=judging,
            execution=ExecutionConfig(workers=1),
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def scores(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "report" / "report.json").read_text())["scores"]


def test_all_ways_stand_side_by_side(scores: list[dict[str, Any]]):
    judged = {score["candidate"] for score in scores if score["family"] == "site"}
    assert judged == {
        "raw", "combat", "histogram-matching", "atlas-template", "cyclegan", "cyclegan+combat",
        "one scanner",
    }  # fmt: skip


def test_images_are_held_against_the_same_heads_on_one_scanner(scores: list[dict[str, Any]]):
    psnr = {s["candidate"]: s["value"] for s in scores if s["metric"] == "image_psnr"}
    assert set(psnr) == {"raw", "histogram-matching", "atlas-template", "cyclegan"}
    # Four steps leave images nearly as they were; the template needs none.
    assert psnr["atlas-template"] > psnr["raw"] + 0.5
    assert psnr["cyclegan"] == pytest.approx(psnr["raw"], abs=0.5)


def test_nobody_is_trained_and_judged_on(folder: Path):
    store = json.loads((folder / "models" / "cyclegan" / "slices" / "store.json").read_text())
    trained = {case["id"] for case in store["cases"]}
    judged = set(read_text_table(folder / "features_raw" / "features.csv").to_pandas()["id"])
    assert len(trained) == 10
    assert len(judged) == 14
    assert not trained & judged
