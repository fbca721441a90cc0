"""Images of candidates: judged in Python, and from cohorts through to the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import harmonize_kit as hk
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import GeometryError, InputError, TableError
from harmonize_kit.storage.images import write_image, write_mask
from harmonize_kit_cli import main as entry

Z, Y, X = np.mgrid[:14, :16, :18].astype(float)
BALL = (Z - 7) ** 2 + (Y - 8) ** 2 + (X - 9) ** 2
GRID = Geometry((18, 16, 14), (1.0, 1.0, 2.0))
FEW = CompareConfig(bootstraps=30)


def head(number: int) -> np.ndarray:
    """Return a head with a lesion, 0 outside of it."""
    rng = np.random.default_rng(number)
    image = 100 + 20 * np.sin(X / 3 + number) + 3 * rng.normal(size=X.shape) + 30 * (BALL < 6)
    return np.where(BALL < 40, image, 0.0)


def volume(array: np.ndarray, lesion: bool = False) -> Volume:
    return Volume(array, GRID, (BALL < 6).astype(np.uint8) if lesion else None)


@pytest.fixture
def heads() -> dict[str, dict[str, Volume]]:
    """The truth, a scanner of other contrast, what nearly undoes it, and a constant."""
    cases = {f"c{number}": head(number) for number in range(6)}
    raw = {name: np.where(image > 0, 0.7 * image + 40, 0) for name, image in cases.items()}
    made = {name: np.where(image > 0, 0.97 * image + 4, 0) for name, image in cases.items()}
    return {
        "truth": {name: volume(image) for name, image in cases.items()},
        "raw": {name: volume(image, lesion=True) for name, image in raw.items()},
        "made": {name: volume(image) for name, image in made.items()},
        "flat": {name: volume(np.full_like(image, 90.0)) for name, image in cases.items()},
    }


def test_against_a_truth_the_better_image_scores_better(heads: dict[str, dict[str, Volume]]):
    truth = heads.pop("truth")
    card = hk.compare_images(heads, truth=truth, target="t1", config=FEW)
    assert card.candidates == ["raw", "made", "flat"]
    for metric, sign in (
        ("ssim", 1), ("psnr", 1), ("histogram_distance", -1), ("lesion_contrast_error", -1),
    ):  # fmt: skip
        found = {name: card.find(name, f"image_{metric}", "t1") for name in card.candidates}
        value = {name: score.value for name, score in found.items() if score is not None}
        assert sign * value["made"] > sign * value["raw"], metric
        assert sign * value["made"] > sign * value["flat"], metric
    made = card.find("made", "image_ssim")
    assert made is not None
    assert made.interval is not None
    assert made.interval[0] <= made.value <= made.interval[1]
    assert "6 images" in made.note


def test_without_a_truth_only_change_is_told(heads: dict[str, dict[str, Volume]]):
    card = hk.compare_images({"raw": heads["raw"], "made": heads["made"]}, config=FEW)
    assert card.candidates == ["made"]
    assert all(score.metric.startswith("image_self_") for score in card)
    assert all("self-similarity" in score.note for score in card)


def test_subjects_are_drawn_whole(heads: dict[str, dict[str, Volume]]):
    pair = {"raw": heads["raw"], "made": heads["made"]}
    one = hk.compare_images(pair, subjects=dict.fromkeys(heads["raw"], "p"), config=FEW)
    for score in one:
        assert score.interval == pytest.approx((score.value, score.value))


def test_what_cannot_be_compared_is_refused(heads: dict[str, dict[str, Volume]]):
    raw, made = heads["raw"], heads["made"]
    with pytest.raises(InputError, match="images before first"):
        hk.compare_images({"raw": raw})
    with pytest.raises(TableError, match=r"'made'.*'c0'"):
        hk.compare_images({"raw": raw, "made": {"c1": made["c1"]}})
    other = Volume(made["c0"].array, Geometry((18, 16, 14)))
    with pytest.raises(GeometryError, match=r"'c0'.*one grid"):
        hk.compare_images({"raw": raw, "made": {**made, "c0": other}})


@pytest.fixture
def folder(tmp_path: Path, heads: dict[str, dict[str, Volume]]) -> Path:
    """Cohorts of images, and the tables of features that go with them."""
    rng = np.random.default_rng(0)
    ids = list(heads["raw"])
    write_mask(volume(head(0), lesion=True), tmp_path / "lesion.nii.gz")
    for name in ("raw", "made", "truth"):
        rows: list[dict[str, Any]] = []
        for place, case in enumerate(ids):
            path = tmp_path / f"{name}_{case}.nii.gz"
            write_image(heads[name][case], path)
            rows.append({"id": case, "Image": path.name, "site": f"s{place % 2}"})
        frame = pd.DataFrame(rows)
        if name == "raw":
            frame["Mask"] = "lesion.nii.gz"
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    for name in ("raw", "made"):
        features = pd.DataFrame(rng.normal(size=(6, 4)), columns=list("abcd"))
        features.insert(0, "id", ids)
        features.insert(1, "site", [f"s{place % 2}" for place in range(6)])
        if name == "made":
            features["translated_to"] = "s1"
            features["split"] = ["test"] * 5 + ["train"]
        features.to_csv(tmp_path / f"{name}_features.csv", index=False)
    return tmp_path


def report(folder: Path, *options: str) -> int:
    tables = [f"{name}={folder / f'{name}_features.csv'}" for name in ("raw", "made")]
    few = ["--site", "site", "--permutations", "3", "--bootstraps", "5"]
    return entry._run(["report", *tables, "-o", str(folder / "out"), *few, *options])


def test_images_of_cohorts_are_judged_and_shown(folder: Path):
    images = [f"--images={name}={folder / f'{name}.csv'}" for name in ("made", "raw")]
    assert report(folder, *images, "--true-images", str(folder / "truth.csv")) == 0
    document = json.loads((folder / "out" / "report.json").read_text())
    assert document["about"]["n_cases"] == 5  # the translator was trained on the sixth
    assert list(document["about"]["left_out_cases"].values()) == [1]
    assert {s["note"] for s in document["scores"] if s["metric"] == "image_ssim"} == {"5 images"}
    assert any("no simpler image method" in told for told in document["about"]["warnings"])
    ssim = {s["candidate"]: s["value"] for s in document["scores"] if s["metric"] == "image_ssim"}
    assert list(ssim) == ["raw", "made"]
    assert ssim["made"] > ssim["raw"]
    page = (folder / "out" / "report.html").read_text()
    assert "Likeness to the truth, SSIM" in page
    assert page.count('class="slices"') == 2  # one of each site
    assert "s1" in page
    assert "c0" not in page.split("<body")[1].replace("#", " ").split("Provenance")[0]


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--images=gan=raw.csv"], 2, "no table named 'gan'"),
        (["--images=made=raw.csv"], 2, "--images raw=COHORT"),
        (["--images=raw=raw.csv"], 2, "--true-images"),
        (["--true-images=truth.csv"], 2, "--images raw=COHORT"),
        (["--images=raw=raw.csv", "--images=made=absent.csv"], 4, "absent.csv"),
    ],
)
def test_images_that_do_not_go_together_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    options: list[str], code: int, sentence: str,
):  # fmt: skip
    monkeypatch.chdir(folder)
    assert report(folder, *options) == code
    assert sentence in " ".join(capfd.readouterr().err.split())
    assert not (folder / "out").exists()
