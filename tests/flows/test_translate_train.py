"""translate train: what is trained on, what is refused, and what is taken up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from normalised_heads import TINY, edit, make_heads
from scans_on_disk import contents, times

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.load import load_config, preset_names  # noqa: E402
from harmonize_kit.config.translate import TranslationConfig  # noqa: E402
from harmonize_kit.errors import (  # noqa: E402
    ConfigError,
    DependencyError,
    DesignError,
    HarmonizeError,
    NothingSucceededError,
    TableError,
)
from harmonize_kit.flows import translate  # noqa: E402
from harmonize_kit.flows.translate import TrainOptions, train_translator  # noqa: E402
from harmonize_kit.flows.translate_train import TrainingRun  # noqa: E402
from harmonize_kit.translation import warning_signs  # noqa: E402
from harmonize_kit.translation.model import load_translator  # noqa: E402
from harmonize_kit.translation.store import open_store  # noqa: E402

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


def write_config(folder: Path, steps: int = 2, **sections: Any) -> str:
    config = {**TINY, **sections}
    training = {**TINY["training"], "phases": [{"steps": steps}], **sections.get("training", {})}
    path = folder / "config.json"
    path.write_text(json.dumps({**config, "training": training}))
    return str(path)


def run(table: Path, steps: int = 1, *, into: str = "model", **more: Any) -> TrainingRun:
    sections = {k: more.pop(k) for k in ("generator", "training", "differences") if k in more}
    folder = table.parent.parent
    chosen: dict[str, Any] = {"site": "scanner", "reference": "A", "device": "cpu", **more}
    options = TrainOptions(**chosen)
    return train_translator(
        table, folder / into, options, write_config(folder, steps, **sections)
    )  # fmt: skip


def test_a_model_comes_of_the_training_cases_and_says_of_which(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABC", modalities=("t1", "t2"), lesioned=(1,))
    edit(table, split=["train", "Train", "test", "train", "train"])
    found = run(table, 2, modalities=("t2", "T1"), despite_differences=True)
    assert found.cases == {"A": 1, "B": 2, "C": 1}
    assert (found.steps, found.begun_at, found.modalities) == (2, 0, ("t2", "t1"))
    assert any("the other 1 are not looked at" in note for note in found.notes)
    assert any("cases with a lesion: 50% at site 'B' and 0% at 'A'" in n for n in found.notes)
    model = load_translator(tmp_path / "model")
    assert (model.modalities, model.sites, model.universal) == (("t2", "t1"), ("B", "C"), True)
    assert model.config.channels == 2
    # Of x, y, z of the patient, whatever the axes of the file.
    sides = model.trained_on["spacing_mm"]
    assert sides["low"] == sides["high"] == pytest.approx([0.9, 0.9, 2.5])
    lines = (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    record = json.loads((tmp_path / "model" / "run.json").read_text())
    assert record["command"] == "translate train"
    assert record["counts"]["cases"] == found.cases
    assert record["configuration"]["torch"] == torch.__version__
    store = open_store(tmp_path / "model" / "slices")
    # Slices run from the feet to the head, as wide as the patient: (x, y) of the table's files.
    assert store.images.shape == (20, 2, 20, 16)
    assert [case.lesion_voxels > 0 for case in store.cases] == [False, True, False, False]


def test_a_case_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABAB")
    damaged = tmp_path / "in" / "1_t1.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    (tmp_path / "in" / "2_brain.nii.gz").write_bytes(b"")
    run(table)
    failures = pd.read_csv(tmp_path / "model" / "failures.csv", dtype=str)
    assert list(failures["id"]) == ["001", "002"]
    assert list(failures["code"]) == ["TRUNCATED", "EMPTY_FILE"]
    before = times(tmp_path / "model" / "slices")
    again = run(table)
    assert [one.id for one in again.unread] == ["001", "002"]
    assert again.begun_at == 1
    assert times(tmp_path / "model" / "slices") == before


def test_slices_that_were_removed_or_changed_are_cut_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = make_heads(tmp_path / "in", "AB")
    run(table)
    model, images = tmp_path / "model", tmp_path / "model" / "slices" / "images.f16"
    whole, weights = images.read_bytes(), (model / "model.safetensors").read_bytes()
    shutil.rmtree(model / "slices")
    # As after a training that is over.
    assert run(table).begun_at == 1
    assert images.read_bytes() == whole
    assert "cut again" not in caplog.text
    images.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert run(table).begun_at == 1
    assert "slices are cut again" in caplog.text
    assert images.read_bytes() == whole
    assert (model / "model.safetensors").read_bytes() == weights


def test_what_was_warned_of_is_told_at_the_end_and_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warning_signs, "STEPS", 3)
    table = make_heads(tmp_path / "in", "AB")
    for _ in range(2):
        found = run(table, 3, training={"generator_rate": 1e-9, "log_every": 1})
        (note,) = (note for note in found.notes if "hardly change" in note)
        assert note.startswith("step 3: images of site 'B' hardly change")
        record = json.loads((tmp_path / "model" / "run.json").read_text())
        assert record["counts"]["warnings"] == [note]


SCRIPT = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from harmonize_kit.translation.trainer import Trainer
from harmonize_kit_cli.main import main
plain = Trainer.one_step
def one_step(self, loader, site, step):
    if step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, loader, site, step)
Trainer.one_step = one_step
main(sys.argv[1:])
"""


def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    run(table, 6, into="straight")
    arguments = [
        "translate", "train", str(table), "-o", str(tmp_path / "killed"), "-c",
        str(tmp_path / "config.json"), "--site", "scanner", "--reference", "A", "--device", "cpu",
    ]  # fmt: skip
    here = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}:{ROOT / 'configs'}"}
    ended = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], env=here, check=False)
    assert ended.returncode == -signal.SIGKILL
    killed = tmp_path / "killed"
    assert not (killed / "model.json").exists()
    assert len((killed / "metrics.jsonl").read_text().splitlines()) == 3
    slices = times(killed / "slices")
    assert run(table, 6, into="killed", resume=True).begun_at == 2
    assert times(killed / "slices") == slices
    for name in ("metrics.jsonl", "model.json", "model.safetensors"):
        assert (killed / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


def test_a_training_goes_on_with_the_same_choices_alone(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    with pytest.raises(ConfigError, match="holds no training to resume"):
        run(table, resume=True)
    assert not (tmp_path / "model").exists()
    run(table)
    before = contents(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"translation\.training\.seed was 0, is 5"):
        run(table, seed=5)
    with pytest.raises(ConfigError, match=r"translation\.match was .*is ..age"):
        run(table, match=("age",))
    brain = tmp_path / "in" / "0_brain.nii.gz"
    brain.write_bytes((tmp_path / "in" / "0_t1.nii.gz").read_bytes())
    with pytest.raises(ConfigError, match="images, masks or the table say something else"):
        run(table)
    assert contents(tmp_path / "model") == before


def refusal(table: Path, kind: type[HarmonizeError], **more: Any) -> str:
    with pytest.raises(kind) as caught:
        run(table, **more)
    return str(caught.value)


def test_what_cannot_be_trained_on_is_refused_at_once(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    assert "no column 'skanner'. Did you mean 'scanner'" in refusal(
        table, TableError, site="skanner"
    )
    assert "no case of the reference 'a'" in refusal(table, ConfigError, reference="a")
    assert "--reference, one of A, B" in refusal(table, ConfigError, reference=None)
    assert "no image of modality 't2'" in refusal(table, TableError, modalities=("t2",))
    assert "there are 1 modalities" in refusal(
        table, ConfigError, generator={**TINY["generator"], "channels": 4}
    )
    told = refusal(
        table, ConfigError, generator={"architecture": "custom", "custom": "json.tool:X"}
    )
    assert "--allow json" in told
    for own, why in (("Conv2d", "is made from one argument"), ("Identity", "could not be called")):
        custom = {"architecture": "custom", "custom": f"torch.nn:{own}"}
        assert why in refusal(table, ConfigError, generator=custom, allow=("torch",))
    edit(table, age=["40", "n/a", "41", "50"])
    assert "'age' is missing for '001'" in refusal(table, TableError, match=("age",))
    edit(table, split=["test"] * 4)
    assert "names no case 'train'" in refusal(table, TableError)
    edit(table, split=["train", "test", "train", "test"])
    assert "two sites or more to train on, got 'A' alone" in refusal(table, ConfigError)
    edit(table, split=None, Brain_mask=None)
    assert "expected a column 'Brain_mask'" in refusal(table, TableError)
    assert not (tmp_path / "model").exists()


def test_images_that_were_not_normalised_and_cases_without_mask_are_told(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB", modalities=("",))
    brain = pd.read_csv(table)["Brain_mask"].tolist()
    edit(table, Brain_mask=["", *brain[1:]])
    run(table, into="first")
    failures = pd.read_csv(tmp_path / "first" / "failures.csv", dtype=str)
    assert failures["message"][0].startswith("the case has no brain mask; name one in the column")
    import nibabel

    for number in (1, 3):
        path = tmp_path / "in" / f"{number}.nii.gz"
        image = nibabel.load(path)
        scanned = nibabel.Nifti1Image(image.get_fdata() * 90 + 300, image.affine)
        nibabel.save(scanned, path)
    told = refusal(table, NothingSucceededError)
    assert "no case of site 'B' can be trained on; the first, '001', failed with NOT_NORM" in told
    assert "--stages zscore" in told
    assert not (tmp_path / "model" / "slices").exists()
    assert len(pd.read_csv(tmp_path / "model" / "failures.csv")) == 3


def test_sites_that_differ_in_more_than_their_scanners_are_not_trained_on(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABAB", lesioned=(1, 3))
    told = refusal(table, DesignError)
    assert "cases with a lesion: 67% at site 'B' and 0% at 'A' (at most 20% apart)" in told
    assert not (tmp_path / "model" / "checkpoints").exists()
    loose = {"share": 0.7, "alike": ["AGE", "sex"]}
    edit(table, age=["40", "60", "41", "61", "42", "62"], sex=list("fmfmfm"))
    told = refusal(table, DesignError, differences=loose)
    assert "AGE" not in told
    assert "age: mean 61 at site 'B' and 41 at 'A', 24 standard deviations" in told
    assert "sex f: 0% at site 'B' and 100% at 'A'" in told
    # Matching cannot make alike what nobody shares.
    loose = {"share": 0.7, "alike": []}
    told = refusal(table, DesignError, differences=loose, match=("age",))
    assert "though batches are matched on it" in told
    assert run(table, match=("age",), despite_differences=True).steps == 1
    # Where there are people of all ages at both sites, it does.
    edit(table, age=["40", "60", "40", "60", "60", "40"])
    assert refusal(table, DesignError, into="b", differences={"share": 0.7, "alike": ["age"]})
    run(table, into="b", differences=loose, match=("age",))


def test_labels_that_fill_the_brain_are_no_lesions(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AB")
    edit(table, Mask=["0_brain.nii.gz", "0_brain.nii.gz"])
    found = run(table)
    assert any(n.startswith("case 001: its labels fill 100% of the brain") for n in found.notes)


def test_a_diverged_training_leaves_no_model(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AB")
    rates = {"generator_rate": 1e30, "discriminator_rate": 1e30}
    told = refusal(table, NothingSucceededError, steps=4, training=rates)
    assert "the training diverged" in told
    assert not (tmp_path / "model" / "model.json").exists()


@pytest.mark.parametrize("name", preset_names("translate"))
def test_presets_are_whole(name: str) -> None:
    config = load_config(name, "translate", TranslationConfig).with_channels(4)
    assert config.generator.channels == config.discriminator.channels == 4
    assert config.objective.consistency == "squared"
    assert config.training.steps >= (600 if name == "cyclegan-phantom" else 2000)


def test_torch_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "NEEDED", ("torch", "no_such_package"))
    with pytest.raises(DependencyError, match=r"needs no_such_package; .*'harmonize-kit\[image\]'"):
        train_translator(tmp_path / "none.csv", tmp_path / "model", TrainOptions("site"))
    if not torch.cuda.is_available():
        monkeypatch.undo()
        table = make_heads(tmp_path / "in", "AB")
        assert "--device cpu" in refusal(table, DependencyError, device="cuda")


def test_slices_hold_what_the_images_show(tmp_path: Path) -> None:
    import nibabel

    table = make_heads(tmp_path / "in", "AB")
    run(table)
    store = open_store(tmp_path / "model" / "slices")
    image = nibabel.load(tmp_path / "in" / "0_t1.nii.gz").get_fdata()
    brain = nibabel.load(tmp_path / "in" / "0_brain.nii.gz").get_fdata() > 0
    inside = store.masks[:5] > 0
    np.testing.assert_allclose(
        np.sort(store.images[:5, 0][inside].astype(float)), np.sort(image[brain]), atol=2e-3
    )
    assert not store.images[:5, 0][~inside].any()
