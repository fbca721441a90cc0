"""fit and apply of tables that are read part by part, as users type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import make_table
from large import single, write_group, write_parts, write_pictures

from harmonize_kit_cli import main as entry

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = entry._run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_a_folder_of_parts(run: Run, tmp_path: Path) -> None:
    write_parts(single(make_table()), tmp_path / "parts")
    model, out = tmp_path / "model", tmp_path / "out"
    code, said, _ = run(
        "fit", tmp_path / "parts", "-o", model, "--site", "site", "--preserve", "age,sex",
        "--memory", "1G", "--harmonized", tmp_path / "in",
    )  # fmt: skip
    assert (code, "90 cases of 3 sites, 12 features" in said) == (0, True)
    code, said, _ = run("apply", model, tmp_path / "parts", "-o", out, "--json")
    assert (code, json.loads(said)["features"]) == (0, 12)
    for part in (tmp_path / "parts").iterdir():
        got, fitted = pd.read_parquet(out / part.name), pd.read_parquet(tmp_path / "in" / part.name)
        pd.testing.assert_frame_equal(got, fitted)
    assert json.loads((tmp_path / "out.json").read_text())["made_by"]["command"] == "apply"
    code, said, _ = run("inspect", model)
    assert (code, "90" in said) == (0, True)


def test_images_under_a_mask(run: Run, tmp_path: Path) -> None:
    source = write_pictures(single(make_table(n=30)), tmp_path / "images")
    options = ("--mask", source.mask)
    code, _, _ = run("fit", source.path, *options, "-o", tmp_path / "m", "--site", "site")
    assert code == 0
    code, said, _ = run("apply", tmp_path / "m", source.path, *options, "-o", tmp_path / "out")
    assert (code, "30 cases, 12 features" in said) == (0, True)
    # What is written is a table of images again.
    again = tmp_path / "out" / "cohort.csv"
    code, _, _ = run("fit", again, *options, "-o", tmp_path / "m2", "--site", "site")
    assert code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--memory", "much"), "2G or 512MiB"),
        (("--memory", "100M"), "is too little"),
        (("--workers", "none"), "workers"),
        (("--method", "covbat"), "needs all cases"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    write_parts(single(make_table()), tmp_path / "parts")
    code, _, err = run("fit", tmp_path / "parts", "-o", tmp_path / "m", "--site", "site", *options)
    assert code == 4
    assert told in err
    assert not (tmp_path / "m").exists()


def test_other_commands_and_tables_are_refused(run: Run, tmp_path: Path) -> None:
    table = single(make_table())
    write_parts(table, tmp_path / "parts")
    write_group(table, tmp_path / "a.zarr")
    table.features.to_csv(tmp_path / "table.csv")
    code, _, err = run("fit", tmp_path / "a.zarr", "-o", tmp_path / "m", "--site", "site")
    assert (code, "--covariates FILE" in err) == (4, True)
    common = ("-o", tmp_path / "m", "--site", "site")
    code, _, err = run("fit", tmp_path / "table.csv", *common, "--memory", "1G")
    assert (code, "save the table as .parquet" in err) == (4, True)
    assert run("fit", tmp_path / "parts", *common)[0] == 0
    code, _, err = run("adapt", tmp_path / "m", tmp_path / "parts", "-o", tmp_path / "m2")
    assert (code, "only fit and apply read" in err) == (4, True)
