"""The tables of docs/features.md, made from the dictionary; run this file to write them anew."""

from __future__ import annotations

from pathlib import Path

from harmonize_kit.core.feature_definitions import FAMILY_NAMES
from harmonize_kit.core.feature_dictionary import FeatureDescription, feature_dictionary

DOCUMENT = Path(__file__).parent.parent / "docs" / "features.md"
MARK = "<!-- the tables below are made by tests/feature_document.py -->\n"


def tables() -> str:
    """Return a table for each family, as Markdown."""
    parts: list[str] = []
    for family, name in FAMILY_NAMES.items():
        entries = [entry for entry in feature_dictionary() if entry.family == family]
        parts.append(f"\n## `{family}`: {name}\n\n")
        parts.append("| feature | unit | depends on | IBSI | note |\n|---|---|---|---|---|\n")
        parts += [_row(entry) for entry in entries]
    return "".join(parts)


def _row(entry: FeatureDescription) -> str:
    depends = [
        *(["voxel size"] if entry.depends_on_voxel_size else []),
        *(["voxel count"] if entry.depends_on_voxel_count else []),
    ]
    ibsi = f"`{entry.ibsi_code}` {entry.ibsi_name}" if entry.ibsi_code else ""
    cells = (entry.feature, entry.unit, ", ".join(depends), ibsi, entry.ibsi_note)
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")


def document() -> str:
    """Return the document with its tables made anew."""
    return DOCUMENT.read_text(encoding="utf-8").partition(MARK)[0] + MARK + tables()


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
