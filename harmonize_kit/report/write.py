"""Write a report: the page, its numbers for programs, and its figures as files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.errors import InputError
from harmonize_kit.report.material import Material


def write_report(
    scorecard: Scorecard,
    directory: str | os.PathLike[str],
    *,
    title: str = "Site-effect report",
    truth: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
    methods: Mapping[str, str] | None = None,
    show_ids: bool = False,
    material: Material | None = None,
) -> Path:
    """Write ``report.html``, ``report.json``, ``scores.csv``, BibTeX and ``figures/*.svg``.

    Parameters
    ----------
    scorecard : Scorecard
        What a comparison found. Its first candidate is the state before harmonization.
    directory : path
        Made where it does not exist; an older report in it is replaced, the page last.
    title : str
        Heading of the page.
    truth : DataFrame, optional
        For phantoms: ``quantity``, ``planted``, and one column of estimates a candidate.
    provenance : mapping, optional
        Record of the run: command, versions, digests, seed, time.
    methods : mapping of str to str, optional
        How each candidate was made, in a sentence.
    show_ids : bool
        Whether case ids appear: as hover text of the principal components, and beside flagged
        images.
    material : Material, optional
        What is shown beside the scores: models, training ranges, exclusions, images.

    Returns
    -------
    Path
        The page, one file that needs no network.

    Raises
    ------
    InputError
        If the scorecard holds no score.
    TableError
        If ``truth`` lacks a column.
    """
    from harmonize_kit.report.citations import bibliography, citations
    from harmonize_kit.report.document import document
    from harmonize_kit.report.page import Page, render_page
    from harmonize_kit.report.pictures import draw_pictures
    from harmonize_kit.report.truth import check_truth

    if not scorecard.scores:
        raise InputError(
            "expected a scorecard with at least one score, got an empty one; compare at least "
            "one table by at least one metric"
        )
    if truth is not None:
        check_truth(truth)
    record, made = dict(provenance or {}), dict(methods or {})
    beside = material or Material()
    pictures = draw_pictures(scorecard, beside, show_ids)
    works = citations(scorecard, made, record)
    page = render_page(
        Page(scorecard, title, pictures, beside, works, truth, record, made, show_ids)
    )
    numbers = document(scorecard, title, truth, record, beside)

    target = Path(directory)
    (target / "figures").mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        _write(target / "figures" / f"{picture.key}.svg", picture.standalone)
    _write(target / "references.bib", bibliography(works))
    _write(target / "scores.csv", scorecard.to_frame().to_csv(index=False))
    _write(target / "report.json", numbers)
    return _write(target / "report.html", page)


def _write(path: Path, text: str) -> Path:
    """Write a file so that it appears whole; half a character pair becomes its escape."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as stream:
            stream.write(text.encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
