"""Pickles are read without running them: hostile ones are refused, and do nothing."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harmonize_kit.errors import ConfigError, IntegrityError
from harmonize_kit.storage.foreign_pickle import Call, read_foreign_pickle
from harmonize_kit.storage.pickled_values import ARRAY_NAMES, PickledValues

SLICE = {"builtins.slice"}
SYSTEM: Any = getattr(os, "system")  # noqa: B009


class Runs:
    """Runs a command where it is unpickled."""

    def __init__(self, called: Any, *arguments: Any) -> None:
        self.reduced = called, arguments

    def __reduce__(self) -> Any:
        return self.reduced


class TakesState:
    """Has code that unpickling would run."""

    def __setstate__(self, state: object) -> None:
        raise AssertionError("was run")

    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def hostile(path: Path) -> dict[str, tuple[bytes, str]]:
    """Pickles that would do harm, and what is said of them."""
    command = f"echo harm > {path / 'harm'}"
    dumps = pickle.dumps
    return {
        "os.system": (dumps(Runs(SYSTEM, command)), f"asks for '{SYSTEM.__module__}.system'"),
        "eval": (dumps(Runs(builtins.eval, "1/0")), "asks for 'builtins.eval'"),
        "getattr": (_named("builtins", "getattr"), "asks for 'builtins.getattr'"),
        "nested": (dumps({"B_hat": [{"deep": (1, Runs(SYSTEM, command))}]}), ".system'"),
        "old protocol": (dumps(Runs(SYSTEM, command), protocol=2), ".system'"),
        "protocol 0": (b"cos\nsystem\n(S'true'\ntR.", "asks for 'os.system'"),
        "instance": (b"(S'true'\nios\nsystem\n.", "instruction"),
        "state": (dumps(TakesState()), "TakesState'"),
        "dotted": (_named("builtins", "slice.__init__.__globals__"), "'builtins.slice.__init"),
        "extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
        "persistent": (b"\x80\x02K\x01Q.", "instruction BINPERSID"),
        "outside buffer": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
        "a call of what was called": (
            b"\x80\x04\x8c\x08builtins\x8c\x05slice\x93)R)R.", "calls something that is no name"),
        "a state of a list": (b"\x80\x04]}b.", "state"),
        "an item of a list": (b"\x80\x04]K\x01K\x02s.", "no dict"),
        "a key that is a tuple": (b"\x80\x04}(" + b")" + b"\x85" * 100_000 + b"K\x01u.", "key"),
    }  # fmt: skip


def _named(module: str, name: str) -> bytes:
    parts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    return b"\x80\x04" + parts + b"\x93."


HOSTILE = list(hostile(Path()))


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pickle_is_refused_and_does_nothing(kind: str, tmp_path: Path) -> None:
    data, said = hostile(tmp_path)[kind]
    with pytest.raises(IntegrityError) as raised:
        read_foreign_pickle(written(tmp_path / "model.pkl", data), SLICE)
    assert "a foreign pickle" in str(raised.value)
    assert said in str(raised.value)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"hello, world", "no whole pickle"),
        (b"\x80\x04.", "does not end with one object"),
        (b"\x80\x04K\x01K\x02.", "does not end with one object"),
        (b"\x80\x04u.", "no whole pickle"),
        (b"\x80\x04h\x07.", "no whole pickle"),
        (b"\x80\x04R.", "no whole pickle"),
        (b"\x80\x04}(K\x01u.", "no whole pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.", "no whole pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"x.", "no whole pickle"),
        (b"\x80\x04\x8b" + struct.pack("<i", -5) + b"x.", "no whole pickle"),
        (b"\x80\x04X\xff\xff\xff\xffx.", "no whole pickle"),
        (b"I" + b"9" * 10_000 + b"\n.", "no whole pickle"),
        (b"\x80\x04\x8c\x02\xff\xff.", "no whole pickle"),
    ],
)
def test_what_is_no_whole_pickle_is_told(data: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=said):
        read_foreign_pickle(written(tmp_path / "model.pkl", data), SLICE)


def test_a_huge_place_in_memory_takes_none(tmp_path: Path) -> None:
    data = b"\x80\x02K\x01r" + struct.pack("<I", (1 << 32) - 1) + b"."
    assert read_foreign_pickle(written(tmp_path / "model.pkl", data), SLICE) == 1


def test_too_many_instructions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harmonize_kit.storage.foreign_pickle.MOST_INSTRUCTIONS", 1000)
    data = pickle.dumps([{} for _ in range(1000)])
    with pytest.raises(IntegrityError, match="more than 1000 instructions"):
        read_foreign_pickle(written(tmp_path / "model.pkl", data), SLICE)


def test_a_pickle_cut_short_anywhere_is_told(tmp_path: Path) -> None:
    data = pickle.dumps({"a": np.arange(12.0).reshape(3, 4), "b": [1, 2.5, None, True, "x"]})
    for length in range(1, len(data)):
        with pytest.raises(IntegrityError):
            read_foreign_pickle(written(tmp_path / "model.pkl", data[:length]), ARRAY_NAMES)


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        read_foreign_pickle(tmp_path / "none.pkl", SLICE)


VALUES: dict[str, Any] = {
    "rows": np.arange(12.0).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "float32": np.array([1.5, 2], dtype=np.float32), "big end": np.arange(3, dtype=">i4"),
    "flags": np.array([True]), "names": np.array(["a", "\u00e9"]),
    "objects": np.array(["a", 2, 3.5, np.int64(4)], dtype=object),
    "empty": np.zeros((0, 3)), "scalar": np.float64(2.5), "integer": np.int64(7),
    "list": [1, (2, "x"), None, True, 1 << 80], "text": "x" * 300, "bytes": b"\x00\x01",
}  # fmt: skip


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_values_come_back_as_they_were(protocol: int, tmp_path: Path) -> None:
    path = written(tmp_path / "model.pkl", pickle.dumps(VALUES, protocol=protocol))
    tree = read_foreign_pickle(path, ARRAY_NAMES)
    got = PickledValues("model.pkl").plain(tree)
    assert list(got) == list(VALUES)
    for name, value in VALUES.items():
        if isinstance(value, (np.ndarray, np.generic)):
            assert got[name].dtype == value.dtype
            np.testing.assert_array_equal(got[name], value)
    assert got["list"] == [1, [2, "x"], None, True, 1 << 80]
    assert (got["text"], got["bytes"]) == ("x" * 300, b"\x00\x01")


def test_no_call_is_made(tmp_path: Path) -> None:
    path = written(tmp_path / "model.pkl", pickle.dumps(slice(1, 2)))
    tree = read_foreign_pickle(path, SLICE)
    assert isinstance(tree, Call)
    assert (tree.called, tree.arguments) == ("builtins.slice", (1, 2, None))


def _of(change: Callable[[Call], None]) -> Any:
    kind = Call("numpy.dtype", ("f8", False, True), (3, "<", None, None, None, -1, -1, 0))
    array = Call("numpy.core.multiarray._reconstruct", (), (1, (2,), kind, False, bytes(16)))
    change(array)
    return array


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "state", None),
        lambda one: setattr(one, "state", (1, (3,), *one.state[2:])),
        lambda one: setattr(one, "state", (1, (-2, -1), *one.state[2:])),
        lambda one: setattr(one, "state", (1, 2, *one.state[2:])),
        lambda one: setattr(one, "state", (*one.state[:4], "text")),
        lambda one: setattr(one, "state", (*one.state[:4], 7)),
        lambda one: setattr(one.state[2], "arguments", ("V16",)),
        lambda one: setattr(one.state[2], "arguments", ("f8,f8",)),
        lambda one: setattr(one.state[2], "arguments", ([("a", "O")],)),
        lambda one: setattr(one.state[2], "arguments", ("M8[ns]",)),
        lambda one: setattr(one.state[2], "arguments", ("U4",)) or _fill(one),
        lambda one: setattr(one.state[2], "arguments", ("O8",)),
        lambda one: setattr(one.state[2], "state", (3, "q")),
        lambda one: setattr(one, "called", "numpy.core.multiarray.scalar"),
    ],
)  # fmt: skip
def test_an_array_that_is_not_as_numpy_writes_it_is_refused(change: Any) -> None:
    with pytest.raises(IntegrityError, match=r"m\.pkl"):
        PickledValues("m.pkl").plain(_of(change))


def _fill(one: Call) -> None:
    one.state = (1, (1,), one.state[2], False, b"\xff" * 16)


def test_values_nested_in_themselves_are_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(IntegrityError, match="nested in themselves"):
        PickledValues("m.pkl").plain(ring)


def test_values_that_share_parts_a_billion_times_are_read_once() -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(40):
        laughs = [laughs, laughs]
    assert PickledValues("m.pkl").plain(laughs)
