"""Folders that cannot be written to are told in one way, by whatever command they were named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.flows.demo_contrasts import scan_cohort
from harmonize_kit.flows.output_folder import make_writable, open_folder
from harmonize_kit.flows.translate_begun import open_model_folder


def scan(folder: Path) -> None:
    scan_cohort(folder, subjects=4, spacing=3, seed=0, execution=ExecutionConfig(workers=1))


@pytest.mark.parametrize(
    "make",
    [
        make_writable,
        lambda folder: open_folder(folder, ()),
        lambda folder: open_folder(folder.parent.parent, [folder]),
        lambda folder: open_model_folder(folder, resume=False),
        scan,
    ],
)
def test_a_file_in_the_way_is_told(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the user")
    with pytest.raises(ConfigError, match=r"file.* cannot be written to \((Not a directory|File)"):
        make(tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "of the user"


def test_folders_are_made_down_to_the_last_and_found_again(tmp_path: Path) -> None:
    for _ in range(2):
        make_writable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_is_there_but_closed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ConfigError, match=r"cannot be written to \(Permission denied\)"):
        make_writable(tmp_path)
