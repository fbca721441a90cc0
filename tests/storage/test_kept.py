"""Models and results on disk: whole, unchanged, and never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harmonize_kit.errors import ConfigError, IntegrityError
from harmonize_kit.storage.models import load_model, save_model
from harmonize_kit.storage.results import ResultStore, owner_of
from harmonize_kit.storage.whole import whole_file, write_text

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "flags": np.array([True, False])}


def saved(folder: Path) -> Path:
    save_model(folder, "combat", {"sites": ["A", "é"]}, ARRAYS, {"by": "test"})
    return folder


def test_a_model_survives_the_disk_and_may_be_replaced(tmp_path: Path) -> None:
    folder = saved(tmp_path / "deep" / "model")
    saved(folder)
    stored = load_model(folder)
    assert (stored.kind, stored.document) == ("combat", {"sites": ["A", "é"]})
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(stored.arrays[name], array)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    write_text(tmp_path / "photos" / "one.txt", "precious")
    with pytest.raises(ConfigError, match="no model"):
        saved(tmp_path / "photos")
    assert (tmp_path / "photos" / "one.txt").read_text() == "precious"


def edit(folder: Path, **changes: Any) -> None:
    body = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(body | changes))


def test_any_change_of_a_model_is_noticed(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    edit(folder, model={"sites": ["A", "B"]})
    with pytest.raises(IntegrityError, match="changed after"):
        load_model(folder)
    folder = saved(tmp_path / "m")
    np.savez(folder / "arrays.npz", **(ARRAYS | {"a": np.zeros((2, 3))}))  # pyright: ignore
    with pytest.raises(IntegrityError, match=r"arrays\.npz was changed"):
        load_model(folder)
    folder = saved(tmp_path / "m")
    content = (folder / "arrays.npz").read_bytes()
    (folder / "arrays.npz").write_bytes(content[:100])
    with pytest.raises(IntegrityError, match="damaged"):
        load_model(folder)
    (folder / "arrays.npz").unlink()
    with pytest.raises(IntegrityError, match="missing"):
        load_model(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(IntegrityError, match="damaged"):
        load_model(folder)


def test_a_newer_format_a_pickle_and_nothing_are_told_apart(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    edit(folder, version=99)
    with pytest.raises(IntegrityError, match="format 99"):
        load_model(folder)
    write_text(tmp_path / "model.pkl", "x")
    with pytest.raises(IntegrityError, match="pickle"):
        load_model(tmp_path / "model.pkl")
    with pytest.raises(ConfigError, match="no model"):
        load_model(tmp_path / "nothing")


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    """numpy would unpickle it; no code of a stranger's model may run."""
    folder = saved(tmp_path / "m")
    np.savez(folder / "arrays.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(IntegrityError):
        load_model(folder)


def test_a_result_is_kept_exactly_and_a_damaged_one_is_no_result(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    result = {"values": {"f": 0.1 + 0.2, "g": None}, "notes": ["é"]}
    assert store.read("key") is None
    store.write("key", result)
    assert store.read("key") == result
    content = store.path("key").read_text()
    for broken in ("", content[:-20], content.replace("0.30000000000000004", "0.5"), "[]"):
        store.path("key").write_text(broken)
        assert store.read("key") is None


def test_names_tell_which_cases_have_results(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "cases")
    assert store.owners() == frozenset()
    store.write(f"{owner_of('007')}-abc", {"values": {}})
    assert owner_of("007") in store.owners()
    assert owner_of("7") not in store.owners()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")

    def fail() -> None:
        with whole_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_project_with_a_model_json_of_its_own_is_spared(tmp_path: Path) -> None:
    write_text(tmp_path / "project" / "model.json", "{}")
    write_text(tmp_path / "project" / "thesis.txt", "precious")
    with pytest.raises(ConfigError, match="no model"):
        saved(tmp_path / "project")
    saved(tmp_path / "mine")
    write_text(tmp_path / "mine" / "notes.txt", "precious")
    with pytest.raises(ConfigError, match="no model"):
        saved(tmp_path / "mine")


def test_an_interrupted_replacement_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "m")
    original = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.startswith(".writing-"):
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        saved(folder)
    monkeypatch.undo()
    assert load_model(folder).kind == "combat"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    np.savez_compressed(folder / "arrays.npz", **ARRAYS)  # pyright: ignore
    with pytest.raises(IntegrityError, match="not as 'fit' writes it"):
        load_model(folder)


@pytest.mark.parametrize("field", ["kind", "model", "made_by", "arrays_sha256", "version"])
def test_a_document_without_its_parts_is_refused(tmp_path: Path, field: str) -> None:
    folder = saved(tmp_path / "m")
    edit(folder, **{field: None})
    with pytest.raises(IntegrityError):
        load_model(folder)


def test_a_document_without_a_digest_is_refused(tmp_path: Path) -> None:
    """Even where its content has none, as with NaN, which no digest is made of."""
    folder = saved(tmp_path / "m")
    body = json.loads((folder / "model.json").read_text())
    del body["sha256"]
    body["model"]["sites"] = [float("nan")]
    (folder / "model.json").write_text(json.dumps(body))
    with pytest.raises(IntegrityError, match="changed after"):
        load_model(folder)
    del body["version"]
    (folder / "model.json").write_text(json.dumps(body))
    with pytest.raises(IntegrityError, match="format None"):
        load_model(folder)
