"""What users install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_our_three_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"harmonize_kit", "harmonize_kit_cli", "harmonize_kit_configs"}
    for needed in (
        "harmonize_kit_configs/extract/mr-default.yaml",
        "harmonize_kit/report/templates/report.html.j2",
        "harmonize_kit/report/templates/style.css",
        "harmonize_kit/report/templates/script.js",
    ):
        assert needed in names


def test_the_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere and run from an empty folder, it finds its own presets."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r});"
        "import harmonize_kit, harmonize_kit_cli.main as entry;"
        f"assert harmonize_kit.__file__.startswith({str(tmp_path)!r});"
        "sys.exit(entry._run(['validate', 'mr-default']))"
    )
    (tmp_path / "empty").mkdir()
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "empty", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert "valid extraction parameters" in result.stdout
