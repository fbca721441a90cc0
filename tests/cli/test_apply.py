"""What apply answers to damaged models and awkward tables: exit code, sentence, and no file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_table

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import write_feature_table
from harmonize_kit_cli import main as entry

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str]:
        code = entry._run([str(argument) for argument in arguments])
        return code, capfd.readouterr().err

    return call


@pytest.fixture
def features(table: FeatureTable, tmp_path: Path) -> Path:
    return write_feature_table(table, tmp_path / "features.csv")[0]


@pytest.fixture
def model(run: Run, features: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    assert run("fit", features, "-o", folder, "--site", "site", "--preserve", "age + sex")[0] == 0
    return folder


def _one_number(model: Path) -> None:
    with np.load(model / "arrays.npz") as held:
        arrays = dict(held)
    arrays["location"][1, 3] += 1e-9
    np.savez(model / "arrays.npz", **arrays)  # pyright: ignore


def _one_byte(model: Path) -> None:
    data = bytearray((model / "arrays.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (model / "arrays.npz").write_bytes(data)


def _cut(model: Path) -> None:
    (model / "arrays.npz").write_bytes((model / "arrays.npz").read_bytes()[:200])


def _gone(model: Path) -> None:
    (model / "arrays.npz").unlink()


def _site(model: Path) -> None:
    text = (model / "model.json").read_text()
    (model / "model.json").write_text(text.replace('"A"', '"Z"'))


def _newer(model: Path) -> None:
    document = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**document, "version": 99}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_one_number, "arrays.npz was changed after it was written; fit anew"),
        (_one_byte, "arrays.npz"),
        (_cut, "arrays.npz is damaged"),
        (_gone, "arrays.npz is missing; copy the whole folder"),
        (_site, "model.json was changed after it was written; fit anew"),
        (_newer, "written in format 99, this version reads 1; update harmonize_kit"),
    ],
)
@pytest.mark.parametrize("command", ["apply", "adapt", "inspect"])
def test_a_model_that_is_not_as_written_ends_with_7(
    command: str, change: Callable[[Path], None], sentence: str, run: Run, model: Path,
    features: Path, tmp_path: Path,
) -> None:  # fmt: skip
    change(model)
    rest = () if command == "inspect" else (features, "-o", tmp_path / "out")
    code, said = run(command, model, *rest)
    assert (code, sentence in said) == (7, True), said
    assert not (tmp_path / "out").exists()


def test_a_pickle_is_no_model(run: Run, features: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    code, said = run("apply", tmp_path / "model.pkl", features, "-o", tmp_path / "out.csv")
    assert (code, "pickles are not read" in said) == (7, True)


def _changed(path: Path, **columns: Any) -> None:
    pd.read_csv(path, dtype={"id": str}).assign(**columns).to_csv(path, index=False)


def test_a_missing_feature_is_named(run: Run, model: Path, features: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(features, dtype={"id": str}).drop(columns=["f02", "f07"])
    frame.rename(columns={"f03": "F3"}).to_csv(features, index=False)
    code, said = run("apply", model, features, "-o", tmp_path / "out.csv")
    assert code == 4
    assert "fitted on 12 features, 3 of them are absent, the first is 'f02'" in said
    assert not (tmp_path / "out.csv").exists()


def test_a_covariate_out_of_range_is_told_and_marked(
    run: Run, model: Path, features: Path, tmp_path: Path
) -> None:
    age = make_table().number("age").to_numpy().copy()
    age[5], age[9] = 140.0, age.max() + 0.5
    _changed(features, age=age)
    code, said = run("apply", model, features, "-o", tmp_path / "out.csv")
    assert code == 0
    assert "'age' lies far beyond the training range" in said
    assert "'sub-005'" in said
    assert "'sub-009'" not in said  # a little outside: marked, not told
    marked = pd.read_csv(tmp_path / "out.csv", index_col="id")["harmonization"]
    assert marked["sub-005"] == "harmonized: age beyond the training range"
    assert marked["sub-009"] == marked["sub-005"]
    assert (marked == "harmonized").sum() == 88


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"age": "n/a"}, "must be known for every case, got a missing value at id 'sub-000'"),
        ({"age": "young"}, "'age' must hold numbers, got 'young'"),
        ({"sex": "X"}, "was fitted with levels F, M, got 'X' at id 'sub-000'"),
        ({"site": "Z"}, "--unseen keep"),
        ({"f01": "high"}, "f01"),
        ({"f01": "inf"}, "infinite"),
    ],
)
def test_a_table_the_model_cannot_be_applied_to_ends_with_4(
    columns: dict[str, str], sentence: str, run: Run, model: Path, features: Path, tmp_path: Path
) -> None:
    _changed(features, **columns)
    code, said = run("apply", model, features, "-o", tmp_path / "out.csv")
    assert (code, sentence in said) == (4, True), said
    assert not (tmp_path / "out.csv").exists()


def test_unknown_sites_are_kept_where_asked(
    run: Run, model: Path, features: Path, tmp_path: Path
) -> None:
    site = make_table().covariates["site"].to_numpy(copy=True)
    site[[2, 7]] = "new"
    _changed(features, site=site)
    assert run("apply", model, features, "-o", tmp_path / "out.csv", "--unseen", "keep")[0] == 0
    got, raw = (pd.read_csv(path, index_col="id") for path in (tmp_path / "out.csv", features))
    kept = got["harmonization"] == "kept: unknown site"
    assert list(got.index[kept]) == ["sub-002", "sub-007"]
    names = [f"f{j:02d}" for j in range(12)]
    pd.testing.assert_frame_equal(got.loc[kept, names], raw.loc[kept, names])
    assert not np.isclose(got.loc[~kept, names], raw.loc[~kept, names]).all(axis=1).any()


def test_every_case_of_an_unknown_site_is_kept(
    run: Run, model: Path, features: Path, tmp_path: Path
) -> None:
    _changed(features, site="new")
    assert run("apply", model, features, "-o", tmp_path / "out.csv", "--unseen", "keep")[0] == 0
    got = pd.read_csv(tmp_path / "out.csv")
    assert set(got["harmonization"]) == {"kept: unknown site"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--features", "f00"], "at least two features"),
        (["--preserve", "age * sex + I(age**2) + I(age**3)"], "more cases than parameters"),
    ],
)
def test_too_little_to_fit_from_ends_with_4(
    options: list[str], sentence: str, run: Run, features: Path, tmp_path: Path
) -> None:
    if "--preserve" in options:
        pd.read_csv(features, dtype={"id": str}).iloc[:8].to_csv(features, index=False)
    code, said = run("fit", features, "-o", tmp_path / "m", "--site", "site", *options)
    assert (code, sentence in said) == (4, True), said
    assert not (tmp_path / "m").exists()


def test_one_feature_is_fitted_without_shrinkage(run: Run, features: Path, tmp_path: Path) -> None:
    fit = ("fit", features, "-o", tmp_path / "m", "--site", "site", "--features", "f00", "--no-eb")
    assert run(*fit)[0] == 0
    assert run("apply", tmp_path / "m", features, "-o", tmp_path / "out.csv")[0] == 0
    assert np.isfinite(pd.read_csv(tmp_path / "out.csv")["f00"]).all()
