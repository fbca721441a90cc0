"""docs/bad-input.md, made from the manifest and from what was measured of PyRadiomics.

Run by hand where either changes: python tests/corpus/bad_input_page.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from corpus.manifest import (
    FOLDER,
    Expected,
    expected_cases,
    expected_tables,
    read_yaml,
)

PAGE = FOLDER.parent.parent / "docs" / "bad-input.md"

OPENING = """\
# What happens to bad input

Files get cut short by a full disk, headers get mangled by converters, a probability map is taken
for a mask. A pipeline that measures such a case anyway puts a wrong number into a study, and
nobody ever looks at it again. So each file is proved whole before it is measured, each region is
checked, and a case that cannot be measured becomes a row of `failures.csv` with a reason code and
an advice, while the others go on. Where the numbers stand but their reader must know something,
the column `warning` of `features.csv` says it.

Each row below is one made-up case, which the tests run by command and in process. The column
PyRadiomics says what PyRadiomics {pyradiomics} with SimpleITK {SimpleITK} makes of the same files
and parameters, called directly, with at most {seconds} seconds and {gigabytes} GB. In bold are
features that it gives of a file that is not whole or makes no sense, where they differ from those
of the whole file: in {silent} of {measured} cases, without a word.

This page is generated from `tests/corpus/manifest.yaml` and `tests/corpus/pyradiomics.yaml` by
`python tests/corpus/bad_input_page.py`.
"""


def page() -> str:
    figures = read_yaml(FOLDER / "pyradiomics.yaml")
    measured: dict[str, dict[str, Any]] = figures["cases"]
    cases = expected_cases()
    silent = sum(case.name in measured and _silent(case, measured[case.name]) for case in cases)
    parts = [
        OPENING.format(
            pyradiomics=figures["pyradiomics"], SimpleITK=figures["SimpleITK"],
            silent=silent, measured=len(measured), **figures["limits"],
        )
    ]  # fmt: skip
    for title in dict.fromkeys(case.group for case in cases):
        own = [case for case in cases if case.group == title]
        parts.append(_table(title, own, measured if title != "Ids" else None))
    parts.append(_table("Cohort tables", expected_tables(), None))
    return "\n".join(parts)


def _table(title: str, cases: list[Expected], measured: dict[str, dict[str, Any]] | None) -> str:
    head = ["case", "what it is", "PyRadiomics", "harmonize-kit"]
    rows = [
        [f"`{case.name}`", case.what, _theirs(case, measured.get(case.name)), _ours(case)]
        if measured is not None
        else [f"`{case.name}`", case.what, _ours(case)]
        for case in cases
    ]
    if measured is None:
        head.remove("PyRadiomics")
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
    return f"## {title}\n\n{text}\n"


def _ours(case: Expected) -> str:
    if case.expect == ("OK",):
        return "features" if case.group != "Cohort tables" else "runs"
    if case.expect == ("W",):
        return f"features, and a warning: ... {case.note} ..."
    if case.expect == ("REFUSED",):
        return "refused before a case is run (exit code 4)"
    return "fails: " + " or ".join(f"`{code}`" for code in case.expect)


def _silent(case: Expected, found: dict[str, Any]) -> bool:
    wrong = found["outcome"] == "features" and not found["same"]
    return case.fails and wrong and "warned" not in found


def _theirs(case: Expected, found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    if found["outcome"] == "error":
        return f"error: {_shortened(found['error'])}"
    if found["outcome"] != "features":
        return {"timeout": "no end", "memory": "takes all memory", "killed": "crashes"}[
            found["outcome"]
        ]
    count = f"{found['features']} features"
    if found["same"]:
        return count if not case.fails else f"{count}, as of the whole file"
    if not case.fails:
        return f"{count} that differ" if case.like else count
    if "warned" in found:
        return f"{count}, warns: {_shortened(found['warned'])}"
    differs = found["mean"] != found["mean_of_whole"]
    means = f": mean {found['mean']} instead of {found['mean_of_whole']}" if differs else ""
    return f"**{count}**, no word{means}"


def _shortened(text: str) -> str:
    """The words of an error, without addresses that differ from run to run."""
    plain = re.sub(r"\(0x[0-9a-f]+\)|^sitk::ERROR: |^ITK ERROR: ", "", text)
    return plain if len(plain) <= 110 else plain[:107].rstrip() + "..."


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)([|<])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
