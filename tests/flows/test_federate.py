"""Messages between sites on disk: what is in them, byte for byte, and what becomes of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import make_table

from harmonize_kit.combat import pooled_harmonizer
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.config.load import load_file
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, IntegrityError
from harmonize_kit.flows.apply import apply
from harmonize_kit.flows.federate import combine, finish, summarize
from harmonize_kit.flows.inspect import inspect
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import write_feature_table

PLAN = """
site: site
preserve: age + sex
smooth: [age]
features: [f0*]
ranges: {age: [18, 90]}
levels: {sex: [F, M]}
knots: {age: [40, 60]}
"""
SITES = "ABC"


@pytest.fixture
def whole() -> FeatureTable:
    return make_table(2, n=210, p=9)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def tables(whole: FeatureTable, tmp_path: Path) -> dict[str, TableInput]:
    named = whole.covariates["site"].to_numpy()
    parts = {site: whole.select(np.array(whole.ids)[named == site].tolist()) for site in SITES}
    return {
        site: TableInput(write_feature_table(part, tmp_path / f"{site}.csv")[0])
        for site, part in parts.items()
    }


@pytest.fixture
def messages(tables: dict[str, TableInput], plan: Path, tmp_path: Path) -> list[Path]:
    for site, source in tables.items():
        summarize(source, plan, tmp_path / f"from_{site}")
    return [tmp_path / f"from_{site}" for site in SITES]


def test_the_model_is_that_of_one_place(
    messages: list[Path], plan: Path, whole: FeatureTable, tables: dict[str, TableInput],
    tmp_path: Path,
) -> None:  # fmt: skip
    combine(messages, tmp_path / "combined")
    finish(tmp_path / "combined", messages, tmp_path / "model")
    fitted, made_by = load_fitted(tmp_path / "model")
    expected = pooled_harmonizer(load_file(plan, FederationPlan)).fit(whole)
    np.testing.assert_allclose(
        fitted.apply(whole).values, expected.apply(whole).values, rtol=0, atol=1e-10
    )
    assert set(made_by["federated"]) == set(SITES)
    assert inspect(tmp_path / "model")["cases"] == 210
    finish(tmp_path / "combined", messages[:1], tmp_path / "own")
    got = apply(tmp_path / "own", tables["A"], tmp_path / "out.csv")
    same = expected.apply(whole.select(got.ids))
    np.testing.assert_allclose(got.values, same.values, rtol=0, atol=1e-10)


def every_part(folder: Path) -> Iterator[bytes]:
    """The bytes of a message: of each file as it is, and of each array, unpacked."""
    for path in sorted(folder.iterdir()):
        yield path.name.encode()
        yield path.read_bytes()
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as packed:
                for info in packed.infolist():
                    yield info.filename.encode() + info.comment + info.extra
                    yield packed.read(info)


def every_number(folder: Path) -> np.ndarray:
    """Every number of a message's arrays."""
    with np.load(io.BytesIO((folder / "arrays.npz").read_bytes()), allow_pickle=False) as arrays:
        return np.concatenate([arrays[name].ravel() for name in arrays.files])


def traces(folder: Path, table: FeatureTable) -> list[str]:
    """What of single cases is found in a message."""
    ages = table.number("age").to_numpy()
    own = np.concatenate([table.values.ravel(), ages])
    texts = [*table.ids, *(f"{age:.3f}" for age in ages), *(repr(float(v)) for v in own)]
    needles = [text.encode() for text in texts]
    needles += [np.array(value, dtype=kind).tobytes() for value in own for kind in ("<f8", ">f8")]
    content = b"\n".join(every_part(folder))
    found = [f"bytes {needle!r}" for needle in needles if needle in content]
    centred = np.concatenate(
        [(table.values - table.values.mean(axis=0)).ravel(), ages - ages.mean()]
    )
    secret = np.concatenate([own, own**2, centred, centred**2])
    numbers = every_number(folder)
    numbers = numbers[np.abs(numbers) > 1e-9]
    near = np.abs(numbers[:, None] - secret) <= 1e-10 * np.abs(secret)
    return found + [f"number {numbers[row]}" for row in np.flatnonzero(near.any(axis=1))]


def test_a_message_holds_nothing_of_one_subject(
    messages: list[Path], tables: dict[str, TableInput], tmp_path: Path
) -> None:
    combine(messages, tmp_path / "combined")
    for source, folder in zip(tables.values(), messages, strict=True):
        table = source.read(not_features={"age"})
        assert len(table.ids) == 70
        assert traces(folder, table) == []
        assert traces(tmp_path / "combined", table) == []


def test_the_search_would_find_a_subject(
    tables: dict[str, TableInput], plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over one case are that case, which is why they are refused."""
    monkeypatch.setattr("harmonize_kit.combat.site_summary.require_no_disclosure", lambda *_: None)
    frame = tables["A"].read(not_features={"age"})
    one = frame.select(frame.ids[:1])
    path = write_feature_table(one, tmp_path / "one.csv")[0]
    monkeypatch.setattr(
        "harmonize_kit.combat.site_summary.withheld_features",
        lambda features, _: np.zeros(features.shape[1], dtype=bool),
    )
    summarize(TableInput(path), plan, tmp_path / "one")
    assert len(traces(tmp_path / "one", one)) > len(one.names)


def test_a_message_does_not_grow_with_cases(messages: list[Path]) -> None:
    with np.load(messages[0] / "arrays.npz") as arrays:
        sizes = {name: arrays[name].shape for name in arrays.files}
    q, p = 6, 9
    assert sizes == {
        "covariate_mean": (1, q), "feature_mean": (1, p), "gram": (1, q, q),
        "cross": (1, q, p), "squares": (1, p),
    }  # fmt: skip


def test_the_plan_names_the_features(
    tables: dict[str, TableInput], plan: Path, tmp_path: Path
) -> None:
    source = TableInput(tables["A"].path, features=["f00"])
    with pytest.raises(ConfigError, match="leave --features out"):
        summarize(source, plan, tmp_path / "message")


def edit(folder: Path, **changes: object) -> None:
    body = json.loads((folder / "message.json").read_text())
    (folder / "message.json").write_text(json.dumps(body | changes))


def test_a_changed_message_is_refused(messages: list[Path], tmp_path: Path) -> None:
    path = messages[1] / "arrays.npz"
    before = path.read_bytes()
    with np.load(io.BytesIO(before)) as arrays:
        held = {name: arrays[name].copy() for name in arrays.files}
    held["cross"][0, 0, 0] += 1e-6
    np.savez(path, **held)  # pyright: ignore[reportArgumentType]
    with pytest.raises(IntegrityError, match=r"arrays\.npz was changed"):
        combine(messages, tmp_path / "combined")
    path.write_bytes(before)
    combine(messages, tmp_path / "combined")
    edit(messages[1], model={})
    with pytest.raises(IntegrityError, match=r"message\.json was changed"):
        finish(tmp_path / "combined", messages, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_newer_message_and_other_folders(messages: list[Path], tmp_path: Path) -> None:
    combine(messages, tmp_path / "combined")
    with pytest.raises(IntegrityError, match="expected a summary"):
        combine([*messages, tmp_path / "combined"], tmp_path / "again")
    with pytest.raises(IntegrityError, match="expected a combination"):
        finish(messages[0], messages, tmp_path / "model")
    with pytest.raises(ConfigError, match="one of the messages"):
        combine(messages, messages[0])
    edit(messages[0], version=2)
    with pytest.raises(IntegrityError, match="written in format 2, this version reads 1; update"):
        combine(messages, tmp_path / "again")
    with pytest.raises(ConfigError, match="there is no message"):
        combine([*messages[1:], tmp_path], tmp_path / "again")


def test_sums_that_were_not_combined_are_no_part_of_the_model(
    messages: list[Path], plan: Path, tables: dict[str, TableInput], tmp_path: Path
) -> None:
    combine(messages, tmp_path / "combined")
    table = tables["B"].read(not_features={"age"})
    path = write_feature_table(table.select(table.ids[1:]), tmp_path / "later.csv")[0]
    summarize(TableInput(path), plan, messages[1])
    with pytest.raises(IntegrityError, match="site 'B' are not those"):
        finish(tmp_path / "combined", messages, tmp_path / "model")
