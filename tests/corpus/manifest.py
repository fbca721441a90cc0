"""The manifest: which cases there are, and what must become of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Expected:
    """One case of the manifest; see there."""

    name: str
    what: str
    group: str
    expect: tuple[str, ...]
    note: str = ""
    says: str = ""
    like: str = ""
    params: str = "plain"
    id: str = ""
    needs: str = ""

    @property
    def fails(self) -> bool:
        return self.expect[0] not in ("OK", "W")

    @property
    def case_id(self) -> str:
        if self.name == "long_id":
            return "x" * 5000
        return self.id or self.name


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def parameters() -> dict[str, dict[str, Any]]:
    return read_yaml(FOLDER / "manifest.yaml")["params"]


def expected_cases() -> list[Expected]:
    groups = read_yaml(FOLDER / "manifest.yaml")["groups"]
    return [_expected(case, group["title"]) for group in groups for case in group["cases"]]


def expected_tables() -> list[Expected]:
    return [
        _expected(case, "Cohort tables") for case in read_yaml(FOLDER / "manifest.yaml")["tables"]
    ]


def _expected(case: dict[str, Any], group: str) -> Expected:
    fields = dict(case)
    expect = fields.pop("expect")
    return Expected(
        what=fields.pop("is"), group=group,
        expect=tuple(expect) if isinstance(expect, list) else (expect,), **fields,
    )  # fmt: skip
