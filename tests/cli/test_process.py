"""The command line as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import make_volume

from harmonize_kit.storage.images import write_image, write_mask

RESULTS = "[!.]*.json"
COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]


# Something that takes its time to be wound up when the interpreter has ended the program.
WINDING_UP = """
import os
from harmonize_kit_cli.main import main
class Slow:
    def __del__(self, read=os.read, write=os.write):
        write(1, b"winding up")
        read(0, 1)
slow = Slow()
main(["--version"])
"""


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_help_and_version() -> None:
    helped = call("--help")
    assert helped.returncode == 0
    for command in (
        "demo",
        "extract",
        "fit",
        "apply",
        "report",
        "compare",
        "inspect",
        "validate",
        "doctor",
    ):
        assert command in helped.stdout
        own = call(command, "--help")
        assert own.returncode == 0
        assert f"harmonize-kit {command}" in own.stdout.split("Example", 1)[1]
    assert "harmonize-kit, version" in call("--version").stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = (
        f"{sys.executable} -c 'from harmonize_kit_cli.main import main; main()' --help | head -1"
    )
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_end_changes_no_exit_code(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WINDING_UP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = b""
        while b"winding up" not in said:
            said += os.read(process.stdout.fileno(), 100)
        process.send_signal(number)
        process.stdin.write(b".")
        process.stdin.close()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_signals_end_with_their_code_and_leave_whole_files(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Stopped in the middle, a run leaves whole results only, and no table."""
    case = make_volume(0, 60)
    write_image(case, tmp_path / "i.nrrd")
    write_mask(case, tmp_path / "m.nrrd")
    rows = "".join(f"c{n:03d},i.nrrd,m.nrrd\n" for n in range(60))
    (tmp_path / "c.csv").write_text("id,Image,Mask\n" + rows)
    (tmp_path / "p.yaml").write_text("imageType: {Original: {}, Wavelet: {}}\n")
    out = tmp_path / "out"
    arguments = ["extract", str(tmp_path / "c.csv"), "-o", str(out), "--workers", "1",
                 "-p", str(tmp_path / "p.yaml")]  # fmt: skip
    process = subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        # A shell that runs the tests in the background lets them ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip
    until = time.monotonic() + 60
    while len(list((out / "cases").glob(RESULTS))) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Error: " in err
    done = len(list((out / "cases").glob(RESULTS)))
    assert 2 <= done < 60
    assert not (out / "features.csv").exists()
    assert not [path for path in out.rglob(".writing-*") if path.is_file()]
    events = (out / "journal.jsonl").read_text().splitlines()
    assert done - 1 <= len(events) <= done


def test_colours_and_language_do_not_change_the_output(tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    result = subprocess.run(
        [*COMMAND, "validate", "mr-default"], capture_output=True, text=True, check=True,
        env=environment,
    )  # fmt: skip
    assert "\x1b" not in result.stdout
