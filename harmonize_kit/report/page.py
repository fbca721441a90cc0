"""The page: sections in order, rendered by an autoescaping template into one offline file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.report.citations import bibliography
from harmonize_kit.report.cohort import as_mapping, cohort_tables
from harmonize_kit.report.feature_table import feature_table
from harmonize_kit.report.guarded import guard_tables
from harmonize_kit.report.material import Material
from harmonize_kit.report.methods import methods_text
from harmonize_kit.report.pictures import Pictures
from harmonize_kit.report.quality import quality_tables
from harmonize_kit.report.reader_ratings import ratings_lead, ratings_tables
from harmonize_kit.report.tables import Table, comparison_table, meaning_table, text_cell
from harmonize_kit.report.text import counted, shown
from harmonize_kit.report.training_range import range_tables
from harmonize_kit.report.truth import truth_table
from harmonize_kit.report.verdict import cannot_show, verdict
from harmonize_kit.report.works import Work

_RECORD_ROWS = 200
_LONG = 16  # entries of one part of the record before it is folded away
_SECTIONS = {
    "verdict": "Verdict",
    "cohort": "Cohort",
    "quality": "Data quality",
    "truth": "Planted truth",
    "site": "Site effect",
    "effects": "By feature",
    "shrinkage": "Shrinkage",
    "biology": "Biology",
    "subjects": "Subjects",
    "controls": "Controls",
    "ranges": "Training range",
    "images": "Images",
    "translated": "Translation",
    "readers": "Readers",
    "comparison": "Comparison",
    "features": "All features",
    "methods": "Methods",
    "provenance": "Provenance",
}


@dataclass(frozen=True)
class Page:
    """What a page is made of.

    Parameters
    ----------
    card : Scorecard
    title : str
    pictures : Pictures
    material : Material
    works : sequence of Work
        To be cited.
    truth : DataFrame, optional
    provenance : mapping
    methods : mapping of str to str
        How each candidate was made, in a sentence.
    show_ids : bool
        Whether cases may be named.
    """

    card: Scorecard
    title: str
    pictures: Pictures
    material: Material
    works: Sequence[Work]
    truth: pd.DataFrame | None
    provenance: Mapping[str, Any]
    methods: Mapping[str, str]
    show_ids: bool = False


def render_page(page: Page) -> str:
    """Return report.html."""
    templates = files("harmonize_kit.report") / "templates"
    script = (templates / "script.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("harmonize_kit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    card, about, pictures = page.card, page.card.about, page.pictures
    rated = page.material.ratings
    content: dict[str, Any] = {
        "verdict": verdict(card),
        "cohort": cohort_tables(about, page.methods),
        "quality": quality_tables(about, page.material),
        "truth": None if page.truth is None else truth_table(page.truth),
        "ranges": range_tables(page.material, about),
        "translated": guard_tables(page.material.guarded, page.show_ids),
        "readers": None if rated is None else (ratings_lead(rated), ratings_tables(rated)),
        "comparison": comparison_table(card),
        "features": feature_table(card.features),
        "methods": methods_text(card, page.methods),
        "provenance": _record(page.provenance),
    }
    return environment.get_template("report.html.j2").render(
        **content,
        title=page.title,
        size=_size(card),
        # As they are: this package's own files.
        style=Markup((templates / "style.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=_policy(script),
        sections=[
            (key, label)
            for key, label in _SECTIONS.items()
            if key in ("verdict", "cohort", "biology", "site") or content.get(key) or pictures[key]
        ],
        cannot_show=cannot_show(about),
        warnings=[str(warning) for warning in about.get("warnings") or ()],
        pictures=pictures,
        # As they are: drawn by this package, in which names are escaped.
        inline={picture.key: Markup(picture.inline) for picture in pictures},  # noqa: S704
        numbers={picture.key: number for number, picture in enumerate(pictures, start=1)},
        any_biology=any(score.family == "biology" for score in card),
        meanings=meaning_table(card),
        works=page.works,
        bibliography=bibliography(list(page.works)),
    )


def _policy(script: str) -> str:
    """Return a content-security policy that lets this one script run and nothing be loaded."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _size(card: Scorecard) -> list[str]:
    about, sites = card.about, as_mapping(card.about.get("sites"))
    subjects = about.get("n_subjects") if about.get("subject") else None
    counts = [(about.get("n_cases"), "case"), (subjects, "subject"), (len(sites) or None, "site")]
    counts += [(about.get("n_features"), "feature"), (len(card.candidates), "candidate")]
    return [counted(number, noun) for number, noun in counts if isinstance(number, int)]


def _record(provenance: Mapping[str, Any]) -> list[Table]:
    """Return the record of the run as one table, and one more for each long part of it."""
    parts = {key: _flat(item, str(key)) for key, item in provenance.items()}
    short = [pair for pairs in parts.values() if len(pairs) <= _LONG for pair in pairs]
    tables = [_entries("How this report was made", short)] if parts else []
    return tables + [
        _entries(shown(key), pairs) for key, pairs in parts.items() if len(pairs) > _LONG
    ]


def _entries(caption: str, pairs: list[tuple[str, Any]]) -> Table:
    rows = tuple((text_cell(name), text_cell(value)) for name, value in pairs[:_RECORD_ROWS])
    hidden = len(pairs) - len(rows)
    notes = (f"{hidden} more entries are in report.json.",) if hidden else ()
    return Table(caption, ("Entry", "Value"), rows, notes=notes, kind="record")


def _flat(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        entries = cast(Mapping[Any, Any], value).items()
        return [
            pair
            for key, item in entries
            for pair in _flat(item, f"{name}{'.' if name else ''}{key}")
        ]
    if isinstance(value, (list, tuple)):
        items = cast(list[Any], value)
        if not any(isinstance(item, (Mapping, list, tuple)) for item in items):
            return [(name, ", ".join(str(item) for item in items))]
        return [
            pair
            for number, item in enumerate(items, start=1)
            for pair in _flat(item, f"{name} {number}")
        ]
    return [(name, "" if value is None else value)]
