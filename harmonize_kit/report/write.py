"""Write a report: the page, its numbers for programs, and its figures as files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.errors import InputError

if TYPE_CHECKING:
    from harmonize_kit.report.page import Pictures

_ASSOCIATION_POINTS = 5000  # over the figures of all covariates


def write_report(
    scorecard: Scorecard,
    directory: str | os.PathLike[str],
    *,
    title: str = "Site-effect report",
    truth: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
    methods: Mapping[str, str] | None = None,
    show_ids: bool = False,
) -> Path:
    """Write ``report.html``, ``report.json``, ``scores.csv`` and ``figures/*.svg``.

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
        Whether case ids appear as hover text of the principal components, their only place.

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
    from harmonize_kit.report.document import document
    from harmonize_kit.report.page import render_page
    from harmonize_kit.report.truth import check_truth

    if not scorecard.scores:
        raise InputError(
            "expected a scorecard with at least one score, got an empty one; compare at least "
            "one table by at least one metric"
        )
    if truth is not None:
        check_truth(truth)
    record, made = dict(provenance or {}), dict(methods or {})
    pictures = _draw(scorecard, show_ids)
    page = render_page(scorecard, title, pictures, truth, record, made)
    numbers = document(scorecard, title, truth, record)

    target = Path(directory)
    (target / "figures").mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        _write(target / "figures" / f"{picture.key}.svg", picture.standalone)
    _write(target / "scores.csv", scorecard.to_frame().to_csv(index=False))
    _write(target / "report.json", numbers)
    return _write(target / "report.html", page)


def _draw(card: Scorecard, show_ids: bool) -> Pictures:
    from harmonize_kit.report.drawing.before_after import SITE, association, draw_before_after
    from harmonize_kit.report.drawing.embedding import draw_embedding
    from harmonize_kit.report.drawing.prediction import draw_site_prediction
    from harmonize_kit.report.frames import covariates_of
    from harmonize_kit.report.page import Pictures

    first, features = card.candidates[0], _in_order(card)
    if first not in features:  # then nothing is known of the state before
        features = {}
    covariates = covariates_of(features)
    limit = min(3000, _ASSOCIATION_POINTS // max(1, len(covariates)))
    site = (
        draw_site_prediction(card),
        draw_embedding(card.embeddings, card.about, show_ids),
        draw_before_after(features, SITE),
    )
    biology = (
        draw_before_after(features, association(name, number), limit)
        for number, name in enumerate(covariates, start=1)
    )
    return Pictures(
        tuple(picture for picture in site if picture is not None),
        tuple(picture for picture in biology if picture is not None),
    )


def _in_order(card: Scorecard) -> dict[str, pd.DataFrame]:
    """Return the per-feature tables in the order of the candidates, whatever order they came in."""
    return {name: card.features[name] for name in card.candidates if name in card.features}


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
