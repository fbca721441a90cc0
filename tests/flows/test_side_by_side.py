"""Raw, translated, harmonized, and both, side by side: from Python and from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import harmonize_kit as hk
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import TableError
from harmonize_kit.flows.guarded_images import guarded_images
from harmonize_kit.flows.judged_cases import judged_cases
from harmonize_kit.flows.origin import how_made, is_by_network, origin_warnings
from harmonize_kit.flows.side_by_side import side_by_side
from harmonize_kit.storage.images import open_image, write_image, write_mask
from harmonize_kit_cli import main as entry

FEW = CompareConfig(folds=2, permutations=3, bootstraps=5)
Z, Y, X = np.mgrid[:10, :12, :11].astype(float)
BALL = (Z - 5) ** 2 + (Y - 6) ** 2 + (X - 5) ** 2


def made(table: FeatureTable, **columns: Any) -> FeatureTable:
    """Return the table as translation might have left it."""
    values = table.values + 0.1 * np.random.default_rng(3).normal(size=table.values.shape)
    covariates = table.covariates.assign(**columns)
    return replace(table.with_values(values), covariates=covariates, source="made")


@pytest.fixture
def small(table: FeatureTable) -> FeatureTable:
    """Thirty cases and four features."""
    few = table.select(table.ids[:30])
    return replace(few, features=few.features.iloc[:, :4])


@pytest.fixture
def parts() -> list[str]:
    return ["train"] * 10 + ["validation"] * 5 + ["test"] * 15


def test_a_harmonizer_on_a_table_of_its_own_is_judged_as_on_a_raw_one(small: FeatureTable) -> None:
    other, combat = made(small), hk.ComBat(site="site", preserve="age")
    shuffled = other.select(other.ids[::-1])
    together = hk.compare(
        {"raw": small, "gan+combat": (shuffled, combat)}, site="site", table=small, config=FEW
    )
    assert together.candidates == ["raw", "gan+combat"]
    alone = hk.compare({"gan": other, "x": combat}, site="site", table=other, config=FEW)
    for metric in ("site_balanced_accuracy_linear", "site_permanova_r2", "control_planted_removed"):
        found, expected = together.find("gan+combat", metric), alone.find("x", metric)
        assert found is not None
        assert expected is not None
        assert found.value == pytest.approx(expected.value, abs=1e-12), metric
    assert together.about["candidates"]["gan+combat"].endswith("on its own table")


def test_every_candidate_has_the_same_cases_and_features(small: FeatureTable) -> None:
    values = made(small).values.copy()
    values[3, 1] = np.nan
    other = small.with_values(values).select(small.ids[5:][::-1])
    other = replace(other, features=other.features.rename(columns={"f03": "f99"}))
    values = small.values.copy()
    values[7, 0] = np.nan
    joined = side_by_side({"raw": small.with_values(values), "gan": other}, ["site"])
    assert {tuple(table.ids) for table in joined.tables.values()} == {tuple(small.ids[5:])}
    assert {tuple(table.names) for table in joined.tables.values()} == {("f01", "f02")}
    assert joined.left_out_cases == {"absent from 'gan'": 5}
    assert joined.left_out_features == {
        "f00": "missing in 1 cases of 'raw'",
        "f03": "absent from 'gan'",
        "f99": "absent from 'raw'",
    }
    kept = joined.tables["gan"].features.loc[small.ids[9]]
    np.testing.assert_array_equal(kept, other.features.loc[small.ids[9], ["f01", "f02"]])


def test_tables_that_do_not_go_together_are_told_apart(small: FeatureTable) -> None:
    other = made(small)
    index = pd.Index([f"x{case}" for case in small.ids])
    elsewhere = replace(
        other, features=other.features.set_axis(index), covariates=other.covariates.set_axis(index)
    )
    with pytest.raises(TableError, match=r"'gan'.*first id is 'xsub-000'.*'sub-000'"):
        side_by_side({"raw": small, "gan": elsewhere}, ["site"])
    renamed = replace(other, features=other.features.add_prefix("t1_"))
    with pytest.raises(TableError, match="'t1_f00' is absent from 'raw'"):
        side_by_side({"raw": small, "gan": renamed}, ["site"])
    moved = made(small, site="A")
    with pytest.raises(TableError, match=r"expected 'site' of id .* the same id must be"):
        side_by_side({"raw": small, "gan": moved}, ["site"])


def test_cases_that_were_trained_on_are_not_judged(small: FeatureTable, parts: list[str]) -> None:
    other = made(small, split=parts)
    found = side_by_side({"raw": small, "gan": other}, ["site"])
    assert found.tables["raw"].ids == small.ids[10:]
    assert found.left_out_cases == {"trained on: column 'split' says 'train'": 10}
    assert found.warnings == ()
    assert judged_cases({"raw": other}, ()).ids == small.ids  # nothing was trained
    held_out = judged_cases({"raw": small, "gan": other}, ["gan"], ["test"])
    assert (held_out.ids, held_out.warnings) == (small.ids[15:], ())
    every = judged_cases({"raw": small, "gan": other}, ["gan"], ["all"])
    assert every.ids == small.ids
    assert "10 judged cases" in every.warnings[0]
    silent = judged_cases({"raw": small, "gan": made(small), "b": other}, ["gan", "b"])
    assert "'gan'" in silent.warnings[0]
    assert silent.ids == small.ids[10:]
    # The table a translator wrote knows better than the raw one what it was trained on.
    told = judged_cases({"raw": made(small, split=parts[::-1]), "gan": other}, ["gan"])
    assert told.ids == small.ids[10:]
    with pytest.raises(TableError, match="there are test, train, validation"):
        judged_cases({"raw": small, "gan": other}, ["gan"], ["tst"])
    with pytest.raises(TableError, match="no such column"):
        judged_cases({"raw": small}, [], ["test"])
    with pytest.raises(TableError, match="--split all"):
        judged_cases({"raw": small, "gan": made(small, split="train")}, ["gan"])


def test_a_network_without_a_simpler_method_beside_it_is_told(small: FeatureTable) -> None:
    network = made(small, translated_to="A", translated_by="cyclegan")
    curve = made(small, translated_to="A", translated_by="curve")
    assert is_by_network(network)
    assert is_by_network(made(small, translated_to="A"))  # what does not say was one
    assert not is_by_network(curve)
    assert not is_by_network(small)
    assert how_made(curve).startswith("Extracted from images translated to A by curve")
    (told,) = origin_warnings({"raw": small, "gan": network}, small.ids)
    assert "no simpler image method" in told
    assert "'gan'" in told
    assert origin_warnings({"raw": small, "nyul": made(small)}, small.ids) == []
    combat = replace(made(small), made_by={"command": "apply", "model": "m"})
    assert len(origin_warnings({"raw": small, "gan": network, "combat": combat}, small.ids)) == 1


def test_each_simpler_method_that_is_absent_is_named(small: FeatureTable) -> None:
    def by(maker: str) -> FeatureTable:
        return made(small, translated_to="A", translated_by=maker)

    tables = {"raw": small, "gan": by("cyclegan"), "a": by("curve-field")}
    (told,) = origin_warnings(tables, small.ids)
    assert told.endswith("absent: histogram matching, Nyul's method and the atlas template")
    # Another table, whatever it is, stands for none of them; nor does ComBat by such a name.
    combat = replace(made(small), made_by={"command": "apply", "model": "m"})
    more = {**tables, "one scanner": made(small), "nyul": combat, "b": by("atlas-template")}
    (told,) = origin_warnings(more, small.ids)
    assert told.endswith("absent: histogram matching and Nyul's method")
    # One that does not say what made it is told by its name.
    every = {**more, "n4+nyul": made(small), "c": by("histogram-matching")}
    assert origin_warnings(every, small.ids) == []
    flags = ["change"] * 4 + [""] * 26
    flagged = made(small, translation_flags=flags)
    (told,) = origin_warnings({"raw": small, "nyul": flagged}, small.ids[2:])
    assert "2 of 28 judged cases" in told


def row_of(number: int) -> dict[str, Any]:
    split = ["train", "test", "test"][number // 2 % 3]
    return {"id": f"c{number:02d}", "site": "AB"[number % 2], "split": split}


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Features of the images of two scanners, and of what a translator made of them."""
    rng = np.random.default_rng(0)
    for name, shift in (("raw", 2.0), ("made", 0.2)):
        rows: list[dict[str, Any]] = []
        for number in range(24):
            row = row_of(number)
            values = rng.normal(size=4) + shift * (row["site"] == "B") * np.array([1, 1, 0, 0])
            if name == "made":
                row["translated_to"] = "A" if row["site"] == "B" else ""
                row["translated_by"] = "cyclegan" if row["site"] == "B" else ""
                row["translation_flags"] = "change" if number == 3 else ""
            rows.append({**row, **dict(zip("abcd", values, strict=True))})
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}_features.csv", index=False)
    return tmp_path


@pytest.fixture
def folder(tables: Path) -> Path:
    """The images, normalised in the brain and 0 outside of it, and what the guards said."""
    rng = np.random.default_rng(0)
    brain, lesion = BALL < 20, BALL < 3
    grid = Geometry((11, 12, 10), (1.0, 1.0, 2.0))
    (tables / "made").mkdir()
    for name, mask in (("lesion", lesion), ("brain", brain)):
        write_mask(Volume(BALL, grid, mask.astype(np.uint8)), tables / f"{name}.nii.gz")
    rows: dict[str, list[dict[str, Any]]] = {"raw": [], "made": [], "truth": []}
    for number in range(24):
        row = {**row_of(number), "Brain_mask": str(tables / "brain.nii.gz")}
        noise = 0.2 * rng.normal(size=X.shape)
        true = np.where(brain, np.sin(X + number) + 2 * lesion + noise, 0.0)
        far = row["site"] == "B"
        states = {"truth": true, "raw": 0.8 * true - brain * (0.3 * true + 0.5) * far}
        states["made"] = 0.95 * true
        for name, array in states.items():
            path = tables / f"{name}_{row['id']}.nii.gz"
            if row["split"] == "test":
                write_image(Volume(array, grid), path)
            rows[name].append({**row, "Image": str(path)})
        rows["raw"][-1]["Mask"] = "lesion.nii.gz"
        rows["made"][-1] |= {"translated_to": "A" if far else ""}
    for name, found in rows.items():
        place = tables / ("made/cohort.csv" if name == "made" else f"{name}.csv")
        pd.DataFrame(found).to_csv(place, index=False)
    moved = [row["id"] for row in rows["made"] if row["translated_to"]]
    guards = pd.DataFrame({"id": moved, "modality": "Image", "change": 0.4, "explained": 0.97})
    guards.assign(spread="", tissues="one curve").to_csv(
        tables / "made" / "guards.csv", index=False
    )
    (tables / "made" / "flags.csv").write_text(
        "id,modality,measure,value,bound,sentence\nc03,Image,change,1.2,1,it changed <b>much</b>\n"
    )
    (tables / "made" / "run.json").write_text('{"configuration": {"guards": {}}}')
    return tables


def reader_study(folder: Path) -> list[str]:
    """Write what two readers said of two cases; return the options that name it."""
    key = [
        {"item": f"{name}{case}", "case": case, "candidate": name}
        for case in ("c03", "c05")
        for name in ("raw", "cyclegan")
    ]
    shared = {"study": "rs-1", "kind": "single", "against": "", "left": "", "repeat_of": ""}
    frame = pd.DataFrame(key).assign(**shared)
    frame.loc[frame["candidate"] == "cyclegan", "against"] = "raw"
    frame.to_csv(folder / "key.csv", index=False)
    options = ["--key", str(folder / "key.csv")]
    for place, reader in enumerate(("NN", "MM")):
        said = frame[["study", "item"]].assign(reader=reader, question="realism", seconds="9")
        said["answer"] = [str(4 + place - ("cyclegan" in item)) for item in said["item"]]
        said.to_csv(folder / f"{reader}.csv", index=False)
        options += ["--ratings", str(folder / f"{reader}.csv")]
    return options


def run(folder: Path, *options: str) -> int:
    few = ["--site", "site", "--folds", "2", "--permutations", "3", "--bootstraps", "5"]
    arguments = ["compare", str(folder / "raw_features.csv"), "-o", str(folder / "out"), *few]
    return entry._run([*arguments, *options])


def expected_psnr(folder: Path, number: int) -> float:
    """Against the truth, in the brain alone, over the range of the truth there."""
    name = f"c{number:02d}.nii.gz"
    made, true = (
        open_image(folder / f"{state}_{name}").volume.array[BALL < 20].astype(float)
        for state in ("made", "truth")
    )
    error = float(np.mean((made - true) ** 2))
    return 10 * np.log10((true.max() - true.min()) ** 2 / error)


def test_the_image_path_ends_in_the_report(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = run(
        folder, "--methods", "raw,combat", "--with", f"cyclegan={folder / 'made_features.csv'}",
        "--images", f"raw={folder / 'raw.csv'}",
        "--images", f"cyclegan={folder / 'made' / 'cohort.csv'}",
        "--true-images", str(folder / "truth.csv"), *reader_study(folder),
    )  # fmt: skip
    said = " ".join(capfd.readouterr().err.split())
    assert code == 0, said
    assert "8 trained on" in said
    document = json.loads((folder / "out" / "report.json").read_text())
    about = document["about"]
    assert list(about["candidates"]) == ["raw", "combat", "cyclegan", "cyclegan+combat"]
    assert about["n_cases"] == 16
    assert sum(about["left_out_cases"].values()) == 8
    told = " ".join(about["warnings"])
    assert "no simpler image method" in told
    assert "images of 1 of 16 judged cases" in told
    psnr = {s["candidate"]: s["value"] for s in document["scores"] if s["metric"] == "image_psnr"}
    assert psnr["cyclegan"] > psnr["raw"]
    cases = [number for number in range(24) if row_of(number)["split"] == "test"]
    assert psnr["cyclegan"] == pytest.approx(np.mean([expected_psnr(folder, n) for n in cases]))
    eta = {
        s["candidate"]: s["value"]
        for s in document["scores"]
        if s["metric"] == "site_partial_eta_squared_median"
    }
    assert set(eta) == set(about["candidates"])
    (guarded,) = document["translated"]
    assert (guarded["site"], guarded["images"], guarded["flagged"]) == ("B", 8, 1)
    assert guarded["explained"]["median"] == 0.97
    page = (folder / "out" / "report.html").read_text()
    (realism,) = (e for e in document["ratings"]["estimates"] if e["kind"] == "difference")
    assert (realism["candidate"], realism["against"], realism["value"]) == ("cyclegan", "raw", -1)
    for key in ("quality", "images", "translated", "readers", "comparison"):
        assert f'<section id="{key}"' in page
    assert "ComBat on the features of cyclegan by site" in page
    assert "it changed &lt;b&gt;much&lt;/b&gt;" in page
    assert "flagged above 1" in page
    assert page.count('class="slices"') == 2
    assert page.count("<img src=") == 2 * (3 * 3 + 2 * 3)  # raw, cyclegan and truth, of two sites
    assert "c03" not in page.split("<body")[1].replace("#", " ").split("Provenance")[0]
    assert "NN" not in json.dumps(document["ratings"])


def test_a_folder_without_guards_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"guards of 'gan'.*guards\.csv.*translate apply"):
        guarded_images({"gan": tmp_path}, "site", ["a"])


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--with", "combat=made_features.csv"], 2, "no method"),
        (["--key", "key.csv"], 2, "--ratings and --key go together"),
        (["--with", "a+b=made_features.csv"], 2, "no '+'"),
        (["--with", "made_features.csv"], 2, "NAME=PATH"),
        (["--with", "gan=absent.csv"], 4, "absent.csv"),
        (["--with", "gan=made_features.csv", "--split", "tests"], 4, "there are test, train"),
        (["--with", "gan=made_features.csv", "--images", "x=raw.csv"], 2, "no table named 'x'"),
    ],
)
def test_what_cannot_be_put_side_by_side_is_told_and_nothing_is_written(
    tables: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    options: list[str], code: int, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tables)
    assert run(tables, *options) == code
    assert sentence in " ".join(capfd.readouterr().err.split())
    assert not (tables / "out").exists()
