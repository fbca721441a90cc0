from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harmonize_kit.core.digest import digest_file
from harmonize_kit.provenance import Journal, RunRecord, versions


def test_a_record_says_what_was_run_and_is_json(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x")
    record = RunRecord("fit", {"site": "s"}, {"t.csv": digest_file(tmp_path / "t.csv")})
    document = json.loads(json.dumps(record.finish(cases=3)))
    assert document["command"] == "fit"
    assert document["counts"] == {"cases": 3}
    assert document["inputs"]["t.csv"].startswith("2d711642b726b044")
    assert document["seconds"] >= 0
    assert {"python", "numpy", "harmonize-kit"} <= set(document["versions"])
    assert versions()["harmonize-kit"]


def test_a_journal_only_grows_by_whole_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("a", "k", "done", seconds=1.5)
    Journal(journal.path).write("b\nc", "", "failed", code="CRC")
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [(line["id"], line["key"], line["event"]) for line in lines] == [
        ("a", "k", "done"),
        ("b\nc", "", "failed"),
    ]


def test_a_line_without_its_end_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.mend()
    assert not journal.path.exists()
    journal.write("a", "k", "done")
    whole = journal.path.read_bytes()
    for torn in (b'{"id": "b', b"\0" * 5000):
        journal.path.write_bytes(whole + torn)
        journal.mend()
        assert journal.path.read_bytes() == whole
    journal.path.write_bytes(b'{"id"')
    journal.mend()
    assert journal.path.read_bytes() == b""


def test_what_is_done_is_read_past_lines_that_say_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.done() == set()
    journal.write("a", "one", "done")
    journal.write("b", "two", "failed", code="CRC")
    with journal.path.open("ab") as file:
        file.write(b'\xff\n[1]\n3\n\n{"event": "done"}\n')
    journal.write("c", "three", "done")
    done = journal.done()
    assert done == {"one", "three"}
    before = journal.path.read_bytes()
    journal.make_up("a", "one", done)
    assert journal.path.read_bytes() == before
    journal.make_up("d", "four", done, stage="write")
    journal.make_up("d", "four", done, stage="write")
    line = json.loads(journal.path.read_bytes()[len(before) :])
    assert (line["id"], line["key"], line["event"], line["stage"]) == ("d", "four", "done", "write")
    assert journal.done() == done == {"one", "three", "four"}


def test_half_a_line_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:5]))
    with pytest.raises(OSError, match="No space left"):
        Journal(tmp_path / "journal.jsonl").write("a", "k", "done")
