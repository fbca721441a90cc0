"""translate apply: images on their own grids, what is kept, what is flagged, whom it serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from normalised_heads import edit, make_heads
from scans_on_disk import contents, times

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.execution import ExecutionConfig  # noqa: E402
from harmonize_kit.config.translation import GeneratorConfig  # noqa: E402
from harmonize_kit.errors import ConfigError, IntegrityError, NothingSucceededError  # noqa: E402
from harmonize_kit.flows.translate import (  # noqa: E402
    ApplyOptions,
    estimate_translation,
    translate_cohort,
)
from harmonize_kit.flows.translate_apply import TranslationRun  # noqa: E402
from harmonize_kit.flows.translate_load import known_model  # noqa: E402
from harmonize_kit.storage.cohorts import missing_files, read_cohort  # noqa: E402
from harmonize_kit.storage.images import read_image  # noqa: E402
from harmonize_kit.storage.nifti_product import ORIENTATION  # noqa: E402
from harmonize_kit.translation.generator import Generator  # noqa: E402
from harmonize_kit.translation.model import Translator, save_translator  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


def make_model(
    folder: Path, sites: tuple[str, ...] = ("B",), modalities: tuple[str, ...] = ("t1",),
    shift: float | None = None, trained_on: dict[str, Any] | None = None,
) -> Path:  # fmt: skip
    """A model whose generators change something; with ``shift``, all intensities by as much."""
    config = GeneratorConfig(
        architecture="unet", features=4, blocks=1, channels=len(modalities), neighbours=1
    )

    def generator(seed: int) -> Generator:
        torch.manual_seed(seed)
        made = Generator(config)
        if shift is None:
            torch.nn.init.normal_(made.last[-1].weight, std=0.03)
        else:
            torch.nn.init.constant_(made.last[-1].bias, shift)
        return made.eval()

    backwards = {site: generator(place + 1) for place, site in enumerate(sites)}
    universal = len(sites) > 1
    made = Translator(
        config, modalities, "A", sites, generator(0), backwards, universal, trained_on or {}
    )
    save_translator(made, folder)
    return folder


def run(
    model: Path, table: Path, *, into: str = "out", workers: int | str = "auto",
    shard: str | None = None, **options: Any,
) -> TranslationRun:  # fmt: skip
    said: dict[str, Any] = {"site": "scanner", "device": "cpu", **options}
    chosen = ApplyOptions(**said)
    execution = ExecutionConfig.model_validate({"workers": workers, "shard": shard})
    return translate_cohort(model, table, table.parent.parent / into, chosen, execution)


def voxels(path: Path) -> Any:
    return nibabel.load(path).get_fdata(dtype=np.float32)


def with_sides(table: Path, numbers: str, sides: tuple[float, float, float]) -> None:
    """Give voxels of some cases these sides, along the axes of their files."""
    for path in table.parent.glob(f"[{numbers}]_*.nii.gz"):
        image = nibabel.load(path)
        affine = image.affine.copy()
        affine[:3, :3] *= np.array(sides) / np.linalg.norm(affine[:3, :3], axis=0)
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), path)


def test_images_come_back_on_their_grids_with_the_background_untouched(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABB", modalities=("t2", "t1"), sizes=(17, 18, 5))
    found = run(make_model(tmp_path / "model", modalities=("t1", "t2")), table)
    assert (found.computed, found.copied, found.target) == (3, 1, "A")
    made = read_cohort(tmp_path / "out" / "cohort.csv")
    assert missing_files(made) == []
    assert list(made.cases[0].images) == ["t1", "t2"]
    for number, case in enumerate(made):
        given = tmp_path / "in" / f"{number}_brain.nii.gz"
        assert case.mask == case.columns["Brain_mask"] == str(given)
        inside = voxels(given) > 0
        for modality, path in case.images.items():
            before, after = tmp_path / "in" / f"{number}_{modality}.nii.gz", Path(path)
            headers = [nibabel.load(file).header for file in (before, after)]
            for name in ORIENTATION:
                assert headers[0][name].tobytes() == headers[1][name].tobytes(), name
            assert headers[1].get_data_dtype() == np.float32
            assert read_image(before).geometry == read_image(after).geometry
            a, b = voxels(before), voxels(after)
            assert a[~inside].tobytes() == b[~inside].tobytes()
            changed = np.mean(a[inside] != b[inside])
            assert changed == 0 if number == 0 else changed > 0.99
    assert [case.columns["translated_to"] for case in made] == ["", "A", "A"]
    assert [case.columns["translated_by"] for case in made] == ["", "cyclegan", "cyclegan"]
    assert [case.columns["age"] for case in made] == ["40", "40", "41"]
    assert set(pd.read_csv(tmp_path / "out" / "guards.csv", dtype=str)["id"]) == {"001", "002"}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["command"] == "translate apply"
    assert record["counts"]["computed"] == 3


def test_the_change_map_says_what_became_of_each_voxel(tmp_path: Path) -> None:
    """After is before and the map, in standard deviations of the head; background is 0."""
    table = make_heads(tmp_path / "in", "AB", modalities=("t2", "t1"), sizes=(9, 18, 17))
    found = run(make_model(tmp_path / "model", modalities=("t1", "t2")), table, flips=True)
    assert found.guards is not None
    listed = pd.read_csv(tmp_path / "out" / "guards.csv", dtype={"id": str})
    assert list(listed["id"]) == ["001", "001"]  # the other is of the reference already
    inside = voxels(tmp_path / "in" / "1_brain.nii.gz") > 0
    for row in listed.to_dict(orient="records"):
        before = tmp_path / "in" / f"1_{row['modality']}.nii.gz"
        a, b = voxels(before), voxels(tmp_path / f"out/images/001/001_{row['modality']}.nii.gz")
        mapped = voxels(tmp_path / "out" / row["change_map"])
        assert read_image(tmp_path / "out" / row["change_map"]).geometry == (
            read_image(before).geometry
        )
        unit = a[inside].astype(float).std()
        np.testing.assert_allclose(mapped * unit, b - a, atol=1e-5)
        assert not mapped[~inside].any()
        assert np.abs(mapped[inside]).mean() == pytest.approx(row["change"], rel=1e-4)
        assert row["change"] > 0
        assert (tmp_path / "out" / row["spread_map"]).is_file()
    # A map that is lost is made again.
    (tmp_path / "out" / listed["change_map"][0]).unlink()
    assert run(tmp_path / "model", table, flips=True).computed == 1


def test_slices_are_those_of_the_patient_whatever_the_axes_of_the_file(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "B")
    model = make_model(tmp_path / "model")
    run(model, table, into="first")
    # The same head stored with other axes: left-right last, and upside down.
    for name in ("0_t1", "0_brain"):
        path = tmp_path / "in" / f"{name}.nii.gz"
        image = nibabel.load(path)
        turned = image.as_reoriented(np.array([[2, 1], [1, -1], [0, -1]]))
        nibabel.save(turned, path)
    run(model, table, into="second")
    one, other = (
        nibabel.as_closest_canonical(nibabel.load(tmp_path / into / "images/000/000_t1.nii.gz"))
        for into in ("first", "second")
    )
    np.testing.assert_array_equal(one.get_fdata(), other.get_fdata())


def test_what_is_done_is_not_done_again_and_what_changed_is(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "BBA")
    model, out = make_model(tmp_path / "model"), tmp_path / "out"
    run(model, table)
    before, tables = times(out / "images"), contents(out, "*.csv")
    lines = (out / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["done"] * 3
    again = run(model, table)
    assert (again.computed, again.reused) == (0, 3)
    assert times(out / "images") == before
    assert contents(out, "*.csv") == tables
    # A result that was kept, and whose worker was killed before it could note it, is noted now.
    (out / "journal.jsonl").write_text(lines[0] + "\n" + lines[2] + "\n")
    assert run(model, table).computed == 0
    noted = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    assert [event["id"] for event in noted] == ["000", "002", "001"]
    # A file that was cut short is made again, one that changed is translated again.
    product = out / "images/000/000_t1.nii.gz"
    product.write_bytes(product.read_bytes()[:-1])
    table.parent.joinpath("1_t1.nii.gz").write_bytes(
        table.parent.joinpath("0_t1.nii.gz").read_bytes()
    )
    estimate = estimate_translation(model, table, out, ApplyOptions("scanner", device="cpu"))
    assert (estimate.cases, estimate.kept, estimate.problems) == (3, 1, ())
    assert run(model, table).computed == 2
    np.testing.assert_array_equal(
        voxels(product), voxels(out / "images/001/001_t1.nii.gz")
    )  # fmt: skip
    assert len((out / "journal.jsonl").read_text().splitlines()) == 5
    assert run(model, table, flips=True).computed == 3
    assert run(make_model(tmp_path / "other", shift=0.1), table).computed == 3
    assert run(tmp_path / "other", table, force=True).computed == 3


def test_a_case_that_cannot_be_translated_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "BBCB")
    damaged = tmp_path / "in" / "1_t1.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    edit(table, scanner=["B", "B", "C", ""])
    run(make_model(tmp_path / "model"), table)
    failures = pd.read_csv(tmp_path / "out" / "failures.csv", dtype=str)
    assert list(failures["id"]) == ["001", "002", "003"]
    assert list(failures["code"]) == ["TRUNCATED", "UNSEEN_SITE", "UNSEEN_SITE"]
    assert "knows nothing of 'C'" in failures["message"][1]
    made = pd.read_csv(tmp_path / "out" / "cohort.csv", dtype=str)
    assert list(made["id"]) == ["000"]
    # Three sites and more have taught what a site may look like; and without --site none is asked.
    universal = make_model(tmp_path / "universal", ("B", "D"))
    assert len(run(universal, table, into="served").failures) == 2
    assert len(run(tmp_path / "model", table, into="any", site=None).failures) == 1
    edit(table, scanner=["C"] * 4)
    with pytest.raises(NothingSucceededError, match="none of 4 cases succeeded; the first, '000'"):
        run(tmp_path / "model", table)
    assert not (tmp_path / "out" / "cohort.csv").exists()


def test_images_of_the_reference_can_be_taken_to_a_site(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AB")
    model = make_model(tmp_path / "model")
    found = run(model, table, to="B")
    assert (found.target, found.copied) == ("B", 1)
    made = pd.read_csv(tmp_path / "out" / "cohort.csv", keep_default_na=False)
    assert list(made["translated_to"]) == ["B", ""]
    with pytest.raises(ConfigError, match=r"cannot make images of site 'b'\. Did you mean 'B'"):
        run(model, table, to="b")
    with pytest.raises(ConfigError, match="say which those are: --site COLUMN"):
        run(model, table, to="B", site=None)
    with pytest.raises(ConfigError, match="holds the cohort itself"):
        run(model, table, into="in")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(IntegrityError, match="changed after it was written"):
        run(model, table)


def test_what_passes_a_bound_is_flagged_and_spreads_are_maps(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "BA", lesioned=(0,))
    with_sides(table, "01", (1.0, 1.2, 1.0))
    (tmp_path / "guards.yaml").write_text("change_at_most: 0.01\nlesion_contrast: [0.9, 0.95]\n")
    model = make_model(tmp_path / "model", shift=2.0)
    options: dict[str, Any] = {
        "guards": tmp_path / "guards.yaml", "flips": True, "planes": True,
    }  # fmt: skip
    found = run(model, table, **options)
    assert found.flags is not None
    assert list(found.flags["measure"]) == ["change", "lesion_contrast"]
    flags = pd.read_csv(tmp_path / "out" / "flags.csv", dtype={"id": str})
    assert list(flags["id"]) == ["000", "000"]
    assert list(flags.columns) == ["id", "modality", "measure", "value", "bound", "sentence"]
    assert flags["bound"].tolist() == [0.01, 0.95]
    guards = pd.read_csv(tmp_path / "out" / "guards.csv")
    # Adding 2 everywhere is a change of contrast and takes nothing from a lesion.
    assert guards["explained"][0] == pytest.approx(1)
    assert guards["lesion_contrast"][0] == pytest.approx(1, abs=1e-4)
    assert guards["spread"][0] == pytest.approx(0, abs=1e-5)
    made = pd.read_csv(tmp_path / "out" / "cohort.csv", keep_default_na=False)
    assert made["translation_flags"].tolist() == ["t1 change; t1 lesion_contrast", ""]
    assert made["Mask"][0].endswith("0_lesion.nii.gz")
    spread = voxels(tmp_path / "out" / "images/000/000_t1_spread.nii.gz")
    assert spread.max() < 1e-5
    assert not (tmp_path / "out" / "images/001/001_t1_spread.nii.gz").exists()


def test_planes_and_sizes_of_voxels_that_networks_have_not_seen(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "BB")
    with_sides(table, "0", (0.94, 1.2, 0.94))
    with_sides(table, "1", (1.0, 2.0, 1.0))  # slices twice as thick as voxels are wide
    seen = {"spacing_mm": {"low": [1.0, 1.0, 1.15], "high": [1.0, 1.0, 1.3]}}
    found = run(make_model(tmp_path / "model", trained_on=seen), table)
    told = [note for note in found.notes if "look at the result twice" in note]
    assert len(told) == 1
    assert told[0].startswith(
        "case 001: its voxels are 1 x 1 x 2 mm, and those the model was trained on 1 x 1 x 1.15 mm "
        "to 1 x 1 x 1.3 mm"
    )
    # Three planes of such a head are not alike, and are refused; axial slices are not.
    planes = run(tmp_path / "model", table, into="planes", planes=True)
    assert list(planes.failures["id"]) == ["001"]
    assert list(planes.failures["code"]) == ["GEOMETRY"]
    assert "at most 1.5 times the shortest" in planes.failures["message"][0]
    # A model that does not know what it was trained on says nothing.
    assert not any("voxels" in note for note in run(
        make_model(tmp_path / "old"), table, into="unknown"
    ).notes)  # fmt: skip


def test_memory_that_does_not_suffice_is_met_by_a_smaller_batch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_heads(tmp_path / "in", "BBB", sizes=(17, 18, 17))
    run(make_model(tmp_path / "model"), table, into="plain")
    tried: list[int] = []
    forward = Generator.forward

    def short_of_memory(self: Generator, images: Any, *more: Any) -> Any:
        tried.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError
        return forward(self, images, *more)

    monkeypatch.setattr(Generator, "forward", short_of_memory)
    known_model.cache_clear()
    assert not len(run(tmp_path / "model", table, into="short").failures)
    assert tried[:3] == [8, 4, 2]
    assert max(tried[3:]) == 2  # which the cases that follow know
    one, other = (
        voxels(tmp_path / into / "images/002/002_t1.nii.gz") for into in ("plain", "short")
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_shards_share_the_work_and_the_last_writes_the_table(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "BBB")
    damaged = tmp_path / "in" / "1_t1.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    model = make_model(tmp_path / "model")
    first = run(model, table, shard="1/2")
    assert (first.computed, first.to_do, first.table) == (2, 1, None)
    assert not (tmp_path / "out" / "cohort.csv").exists()
    last = run(model, table, shard="2/2")
    assert last.table is not None
    assert list(last.table["id"]) == ["000", "002"]
    assert list(last.failures["code"]) == ["TRUNCATED"]
