"""translate fit: methods without a network, fitted on training cases and applied to any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from normalised_heads import edit, make_heads
from scans_on_disk import contents, times

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.translate_fit import BY_IMAGE, METHODS, FitConfig
from harmonize_kit.errors import ConfigError, IntegrityError, NothingSucceededError, TableError
from harmonize_kit.flows.inspect import inspect
from harmonize_kit.flows.translate import ApplyOptions, estimate_translation, translate_cohort
from harmonize_kit.flows.translate_apply import TranslationRun
from harmonize_kit.flows.translate_fit import FitRun, estimate_fit, fit_baseline

BY_SITE = [method for method in METHODS if method not in BY_IMAGE]
SPLIT = ["train"] * 4 + ["test"] * 2


def fit(table: Path, method: Any, into: str = "model", **options: Any) -> FitRun:
    said: dict[str, Any] = {"site": "scanner", "reference": "A", **options}
    return fit_baseline(table, table.parent.parent / into, method=method, **said)


def apply(table: Path, model: str = "model", into: str = "out", **options: Any) -> TranslationRun:
    base = table.parent.parent
    said: dict[str, Any] = {"site": "scanner", **options}
    one = ExecutionConfig(workers=1)
    return translate_cohort(base / model, table, base / into, ApplyOptions(**said), one)


def voxels(path: Path) -> Any:
    return nibabel.load(path).get_fdata(dtype=np.float32)


def pair(base: Path, number: int, into: str = "out", modality: str = "t1") -> tuple[Any, Any, Any]:
    """A head before, after, and where its brain is."""
    made = base / into / f"images/{number:03d}/{number:03d}_{modality}.nii.gz"
    before = voxels(base / "in" / f"{number}_{modality}.nii.gz")
    return before, voxels(made), voxels(base / "in" / f"{number}_brain.nii.gz") > 0


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training heads of two scanners, and two others of them."""
    folder = tmp_path_factory.mktemp("heads") / "in"
    table = make_heads(folder, "ABABAB", modalities=("t1", "t2"), lesioned=(5,))
    return edit(table, split=SPLIT)


def applied(heads: Path, method: Any) -> str:
    """Fit and apply a method once; the name of the folder."""
    if not (heads.parent.parent / method).is_dir():
        run = fit(heads, method, f"m-{method}")
        assert run.cases == ({"A": 2} if method in BY_IMAGE else {"A": 2, "B": 2})
        assert run.sites == (() if method in BY_IMAGE else ("B",))
        found = apply(heads, f"m-{method}", method)
        assert (found.computed, found.target) == (6, "A")
        assert found.copied == (0 if method in BY_IMAGE else 3)
    return method


@pytest.mark.parametrize("method", METHODS)
def test_heads_of_the_site_come_to_look_like_the_references(heads: Path, method: Any) -> None:
    base, out = heads.parent.parent, applied(heads, method)
    ours = np.mean([pair(base, n, out)[0][pair(base, n, out)[2]].mean() for n in (0, 2)])
    gaps: list[tuple[float, float]] = []
    for number in range(6):
        before, after, inside = pair(base, number, out)
        assert before[~inside].tobytes() == after[~inside].tobytes()
        if number % 2:
            gaps.append((abs(before[inside].mean() - ours), abs(after[inside].mean() - ours)))
        elif method not in BY_IMAGE:
            assert before.tobytes() == after.tobytes()
    before, after = np.mean(gaps, axis=0)
    assert after < 0.6 * before
    made = pd.read_csv(base / out / "cohort.csv", dtype=str, keep_default_na=False)
    assert list(made["split"]) == SPLIT
    guards = pd.read_csv(base / out / "guards.csv", dtype={"id": str})
    assert set(guards["tissues"]) == {"fuzzy c-means of t1"}
    assert guards["lesion_contrast"].notna().sum() == 2


def test_each_method_gives_what_its_definition_says(heads: Path) -> None:
    base = heads.parent.parent
    zscore, matching, nyul, template = (
        applied(heads, method)
        for method in ("zscore", "histogram-matching", "nyul", "atlas-template")
    )
    ours = [pair(base, n, nyul) for n in (0, 2)]
    targets = [before[inside].astype(float) for before, _, inside in ours]
    for number in (4, 5):
        _, scaled, inside = pair(base, number, zscore)
        assert scaled[inside].mean() == pytest.approx(
            np.mean([t.mean() for t in targets]), abs=1e-5
        )
        assert scaled[inside].std() == pytest.approx(np.mean([t.std() for t in targets]), abs=1e-5)
        _, matched, _ = pair(base, number, matching)
        ranks = np.linspace(0, 100, 9)
        wanted = np.mean([np.percentile(t, ranks) for t in targets], axis=0)
        np.testing.assert_allclose(np.percentile(matched[inside], ranks), wanted, atol=0.02)
        before, scale, _ = pair(base, number, nyul)
        ends = np.mean([np.percentile(t, (1, 99)) for t in targets], axis=0)
        np.testing.assert_allclose(np.percentile(scale[inside], (1, 99)), ends, atol=1e-4)
        order = np.argsort(before[inside], kind="stable")
        assert (np.diff(scale[inside][order]) >= -1e-6).all()
    # Added to every head alike, whatever is in it.
    differences = [np.subtract(*pair(base, n, template)[1::-1]) for n in (1, 5)]
    np.testing.assert_allclose(*differences, atol=1e-5)


def test_a_site_that_was_not_seen_is_served_by_what_asks_for_none(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AABBC")
    edit(table, split=["train"] * 4 + ["test"])
    fit(table, "nyul", "nyul")
    assert len(apply(table, "nyul", "o-nyul").failures) == 0
    # Whether told or not, the site is nothing to it.
    before = contents(tmp_path / "o-nyul", "*.nii.gz")
    again = apply(table, "nyul", "o-nyul", site=None)
    assert (again.computed, again.reused) == (0, 5)
    fit(table, "curve", "curve")
    found = apply(table, "curve", "o-curve")
    assert list(found.failures["code"]) == ["UNSEEN_SITE"]
    assert "knows nothing of 'C'; fit it with cases of that site" in found.failures["message"][0]
    assert contents(tmp_path / "o-nyul", "*.nii.gz") == before
    # With one site beside the reference, what is not told can only be meant for that one.
    assert len(apply(table, "curve", "o-any", site=None).failures) == 0


@pytest.mark.parametrize("method", BY_SITE)
def test_what_is_taken_to_a_site_can_be_had_back(heads: Path, method: Any) -> None:
    base = heads.parent.parent
    applied(heads, method)
    there = apply(heads, f"m-{method}", f"there-{method}", to="B")
    assert (there.target, there.copied) == ("B", 3)
    table = base / f"there-{method}" / "cohort.csv"
    edit(table, scanner=["B"] * 6)
    apply(table, f"m-{method}", f"back-{method}")
    for number in (0, 4):
        before, back, inside = pair(base, number, f"back-{method}")
        _, made, _ = pair(base, number, f"there-{method}")
        np.testing.assert_allclose(back, before, atol=1e-4)
        assert np.abs(made - before)[inside].mean() > 0.1


def test_only_training_cases_are_opened_and_no_subject_is_kept(tmp_path: Path) -> None:
    table = edit(make_heads(tmp_path / "in", "ABABAB"), split=SPLIT)
    for method in ("histogram-matching", "curve-field"):
        fit(table, method, method)
    before = {
        method: contents(tmp_path / method) for method in ("histogram-matching", "curve-field")
    }
    for number in (4, 5):
        (tmp_path / "in" / f"{number}_t1.nii.gz").write_bytes(b"nothing")
    for method, known in before.items():
        run = fit(table, method, method)
        assert run.unread == ()
        assert contents(tmp_path / method) == known
        assert set(known) == {"model.json", "arrays.npz"}
        text = known["model.json"].decode()
        assert not any(f'"{number:03d}"' in text or f"{number}_t1" in text for number in range(6))
    told = inspect(tmp_path / "curve-field")
    assert (told["reference"], told["takes_back_to"], told["cases"]) == ("A", ["B"], 4)
    # Another image among those it was fitted on is another model.
    (tmp_path / "in/0_t1.nii.gz").write_bytes((tmp_path / "in/2_t1.nii.gz").read_bytes())
    fit(table, "curve-field", "other")
    assert inspect(tmp_path / "other")["trained_on_sha256"] != told["trained_on_sha256"]


def test_a_damaged_training_case_is_named_and_left_out(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABAB")
    damaged = tmp_path / "in/1_t1.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    run = fit(table, "curve")
    assert [(one.id, one.code) for one in run.unread] == [("001", "TRUNCATED")]
    assert run.cases == {"A": 3, "B": 2}
    damaged.with_name("3_t1.nii.gz").unlink()
    estimate = estimate_fit(table, tmp_path / "n", FitConfig(method="curve"), "scanner", "A")
    assert estimate.cases == {"A": 3, "B": 3}
    assert [problem[:17] for problem in estimate.problems] == ["003: MISSING_FILE"]
    with pytest.raises(TableError, match="at least 2 training cases of site 'B', got 1"):
        fit(table, "curve", "new")
    damaged.with_name("5_t1.nii.gz").write_bytes(b"nothing")
    with pytest.raises(NothingSucceededError, match="no case of site 'B' can be read; the first"):
        fit(table, "curve", "new")
    assert not (tmp_path / "new").exists()


def test_heads_on_several_grids_are_averaged_on_the_brains_box_alone(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB", sizes=(16, 18, 6))
    larger = make_heads(tmp_path / "larger", "ABAB", sizes=(19, 21, 8))
    frame = pd.read_csv(larger, dtype=str)
    frame["id"] = [f"1{one}" for one in frame["id"]]
    for name in ("Image_t1", "Brain_mask", "Mask"):
        frame[name] = "../larger/" + frame[name]
    pd.concat([pd.read_csv(table, dtype=str), frame]).to_csv(table, index=False)
    with pytest.raises(ConfigError, match=r"must lie on one grid; '000' and '1000' do not: size"):
        fit(table, "atlas-template")
    for method in ("atlas-template", "curve-field"):
        fit(table, method, method, grid="box")
        found = apply(table, method, f"o-{method}")
        assert (found.computed, found.copied) == (8, 4)
        for number in (1, 3):
            before, after, inside = pair(tmp_path, number, f"o-{method}")
            assert before[~inside].tobytes() == after[~inside].tobytes()
            # The ball of the brain is the same whatever its grid; those of B are brighter by 1.
            ours = np.mean([pair(tmp_path, n, f"o-{method}")[0][inside].mean() for n in (0, 2)])
            assert abs(after[inside].mean() - ours) < 0.7 * abs(before[inside].mean() - ours)
    # A template of a common grid is not added to an image on another one.
    edit(table, split=["train"] * 4 + ["test"] * 4)
    fit(table, "atlas-template", "common")
    failures = apply(table, "common", "o-common").failures
    assert list(failures["code"]) == ["GEOMETRY"] * 2
    assert "register it to the same template" in failures["message"].iloc[0]


def test_brains_that_were_not_registered_are_told(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AAAABB", sizes=(24, 18, 4))
    edit(table, age=None)
    assert fit(table, "atlas-template").notes == ()
    for number, places in ((1, 7), (2, -7)):
        for name in (f"{number}_t1", f"{number}_brain"):
            path = tmp_path / "in" / f"{name}.nii.gz"
            image = nibabel.load(path)
            moved = np.roll(np.asanyarray(image.dataobj), places, axis=0)
            nibabel.save(nibabel.Nifti1Image(moved, image.affine, image.header), path)
    (note,) = fit(table, "atlas-template").notes
    assert "of site 'A'" in note
    assert "were they registered to one template?" in note


def test_what_a_model_cannot_do_is_refused_before_any_case(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AABBCC")
    fit(table, "zscore", "zscore")
    fit(table, "curve", "curve")
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("zscore", {"to": "B"}, "takes every image to 'A' and none to 'B'"),
        ("zscore", {"flips": True}, "taken by networks alone"),
        ("curve", {"planes": True}, "taken by networks alone"),
        ("curve", {"to": "b"}, r"cannot make images of site 'b'\. Did you mean 'B'"),
        ("curve", {"site": None}, "say which site a case is of: --site COLUMN"),
    ]
    for model, options, message in refused:
        with pytest.raises(ConfigError, match=message):
            apply(table, model, **options)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match=r"training case of the reference 'a'\. Did you mean 'A'"):
        fit(table, "curve", reference="a")
    edit(table, scanner=["A"] * 6)
    with pytest.raises(ConfigError, match="two sites or more, got 'A' alone"):
        fit(table, "curve")
    with pytest.raises(ConfigError, match="exists and is no fitted translation"):
        fit(table, "zscore", "in")
    document = tmp_path / "curve/model.json"
    document.write_text(document.read_text().replace('"reference": "A"', '"reference": "B"'))
    with pytest.raises(IntegrityError, match="changed after it was written"):
        apply(table, "curve")
    (tmp_path / "zscore/arrays.npz").unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        apply(table, "zscore")
    document.write_text(json.dumps({"schema": "harmonize-kit/model"}))
    with pytest.raises(IntegrityError, match="says 'harmonize-kit/model'"):
        apply(table, "curve")
    with pytest.raises(ConfigError, match="there is no translator at"):
        apply(table, "nowhere")


def test_what_is_done_is_kept_and_processes_give_the_same(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    fit(table, "atlas-template")
    apply(table)
    before, when = contents(tmp_path / "out", "*.nii.gz"), times(tmp_path / "out/images")
    again = apply(table)
    assert (again.computed, again.reused) == (0, 4)
    assert times(tmp_path / "out/images") == when
    two = ExecutionConfig(workers=2)
    options = ApplyOptions("scanner")
    translate_cohort(tmp_path / "model", table, tmp_path / "two", options, two)
    assert contents(tmp_path / "two", "*.nii.gz") == before
    fit(table, "atlas-template", smooth=6.0)
    estimate = estimate_translation(tmp_path / "model", table, tmp_path / "out", options, two)
    assert (estimate.cases, estimate.kept) == (4, 0)


def test_tissues_that_the_cohort_names_are_used_and_handed_on(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AABB")
    brain = nibabel.load(tmp_path / "in/0_brain.nii.gz")
    halves = np.asanyarray(brain.dataobj).copy()
    halves[8:] *= 2
    nibabel.save(nibabel.Nifti1Image(halves, brain.affine, brain.header), tmp_path / "in/t.nii.gz")
    edit(table, tissue_LABELS=["", "t.nii.gz", "t.nii.gz", ""])
    fit(table, "zscore")
    apply(table)
    guards = pd.read_csv(tmp_path / "out/guards.csv")
    named, found = "column Tissue_labels", "fuzzy c-means of t1"
    assert list(guards["tissues"]) == [found, named, named, found]
    made = pd.read_csv(tmp_path / "out/cohort.csv", keep_default_na=False)
    assert list(made["Tissue_labels"]) == ["", *[str(tmp_path / "in/t.nii.gz")] * 2, ""]
    # Other tissues are other guards: such a case is done again.
    halves[:4] *= 3
    nibabel.save(nibabel.Nifti1Image(halves, brain.affine, brain.header), tmp_path / "in/t.nii.gz")
    assert apply(table).computed == 2
    (tmp_path / "in/t.nii.gz").unlink()
    assert list(apply(table).failures["code"]) == ["MISSING_FILE"] * 2


def test_no_torch_is_needed(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name.split('.')[0] in ('torch', 'safetensors'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from harmonize_kit_cli.main import _run\n"
        f"t, b = {str(table)!r}, {str(tmp_path)!r}\n"
        "f = ['translate', 'fit', t, '-o', b + '/m', '--site', 'scanner', '--reference', 'A']\n"
        "assert _run([*f, '--method', 'curve-field', '--dry-run']) == 0\n"
        "assert _run([*f, '--method', 'curve-field']) == 0\n"
        "a = ['translate', 'apply', b + '/m', t, '-o', b + '/o', '--site', 'scanner']\n"
        "assert _run([*a, '--workers', '1', '--json']) == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )  # fmt: skip
    assert "curve-field would be fitted on 2 of A, 2 of B" in done.stdout
    assert "Fitted curve-field on 2 of A, 2 of B in " in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["computed"] == 4
