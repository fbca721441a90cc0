"""reader-study: cohorts of images in, a page for blinded readers and its key out."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from harmonize_kit.config.reader_study import SIDES, ReaderStudyConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import ConfigError, InputError
from harmonize_kit.flows.output_folder import open_folder, writing
from harmonize_kit.flows.reader_study_images import Candidate, Planes, cut_case, read_candidate
from harmonize_kit.flows.translate_cohort import SPLIT, TRAIN
from harmonize_kit.flows.translate_tables import MADE_BY
from harmonize_kit.provenance import RunRecord
from harmonize_kit.report.reader_study import render_study, require_blind, study_content
from harmonize_kit.report.reader_study_items import KEY_COLUMNS, StudyItem, draw_items, key_rows
from harmonize_kit.storage.columns import read_text_table, write_text_table
from harmonize_kit.storage.whole import write_text

logger = logging.getLogger(__name__)
PAGE, KEY, RUN = "reader_study.html", "key.csv", "run.json"


@dataclass(frozen=True)
class ReaderStudy:
    """What was written.

    Parameters
    ----------
    study : str
        Digest that page, key and ratings carry.
    page, key : Path
    counts : mapping of str to int
        Items: ``single``, ``pair``, and how many of them are shown a second time; minutes.
    """

    study: str
    page: Path
    key: Path
    counts: Mapping[str, int]


def reader_study(
    cohorts: Mapping[str, Path],
    folder: Path,
    config: ReaderStudyConfig,
    *,
    modality: str | None = None,
    site: str = "site",
    subject: str = "subject",
    force: bool = False,
) -> ReaderStudy:
    """Write the page for readers, and the key that says what each of its items shows.

    Parameters
    ----------
    cohorts : mapping of str to Path
        Cohort tables by candidate; the first is the state before, which pairs are shown with.
    folder : Path
        For ``reader_study.html``, ``key.csv`` and ``run.json``; only the first is for readers.
    config : ReaderStudyConfig
    modality : str, optional
        Which images are shown.
    site, subject : str
        Columns, where tables have them: sites take turns when cases are drawn, and subjects are
        what intervals are taken over.
    force : bool
        Whether the key of another study in the folder may be replaced.

    Raises
    ------
    TableError
        If a cohort cannot be read or lacks the modality.
    ConfigError
        If names or texts would tell readers what they see, or the folder holds another key.
    InputError
        If there are too few cases, or none that no translation was learned from, or an image
        cannot be shown.
    CaseError
        If an image cannot be read, or those of a case lie on different grids.
    """
    _require_names(cohorts)
    record = RunRecord(
        "reader-study",
        {
            "cohorts": {name: path.name for name, path in cohorts.items()},
            "modality": modality,
            **config.model_dump(mode="json"),
        },
    )
    read = [read_candidate(name, path, modality) for name, path in cohorts.items()]
    candidates = _held_out(read)
    sites, subjects = _column(candidates, site), _column(candidates, subject)
    ids = [case for one in candidates for case in one.cases]
    require_blind(config, [*cohorts, *ids, *sites.values(), *subjects.values()])
    items = draw_items({one.name: list(one.cases) for one in candidates}, sites, config)
    _say_what_is_missing(candidates, items)
    content = study_content(items, _planes(candidates, items, config), config)
    study = str(content["study"])
    _require_own_key(folder / KEY, study, force)
    open_folder(folder, ())
    counts = {
        "single": sum(item.kind == "single" for item in items),
        "pair": sum(item.kind == "pair" for item in items),
        "repeated": sum(bool(item.repeat_of) for item in items),
        "minutes": int(content["minutes"]),
    }
    digests = {f"{name}: {path.name}": digest_file(path) for name, path in cohorts.items()}
    run = {**record.finish(**counts), "inputs": digests, "study": study}
    with writing(folder):
        rows = pd.DataFrame(key_rows(study, items, subjects), columns=list(KEY_COLUMNS))
        write_text_table(rows, folder / KEY)
        write_text(folder / PAGE, render_study(content))
        write_text(folder / RUN, json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    return ReaderStudy(study, folder / PAGE, folder / KEY, counts)


def _planes(
    candidates: Sequence[Candidate], items: Sequence[StudyItem], config: ReaderStudyConfig
) -> dict[tuple[str, str], Planes]:
    used: dict[str, set[str]] = {}
    for item in items:
        used.setdefault(item.case, set()).update(item.shown)
    planes: dict[tuple[str, str], Planes] = {}
    for case, names in used.items():
        shown = [one for one in candidates if one.name in names]
        for name, cut in cut_case(case, shown, config.slices, config.window).items():
            planes[case, name] = cut
    return planes


def _held_out(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Leave out the cases that a translation was learned from: it does better on them."""
    parts = [part for one in candidates for part in one.column(SPLIT).items()]
    trained = {case for case, part in parts if part.lower() == TRAIN}
    if not trained or not any(one.column(MADE_BY) for one in candidates):
        return candidates
    kept = [
        replace(one, cases={i: case for i, case in one.cases.items() if i not in trained})
        for one in candidates
    ]
    if not any(one.cases for one in kept):
        raise InputError(
            f"reader study: expected cases that no translation was learned from, got only cases "
            f"that column '{SPLIT}' calls '{TRAIN}'; translate held-out cases too"
        )
    logger.warning(
        "%d cases are not shown, since a translation was learned from them (column '%s' says '%s')",
        len(trained), SPLIT, TRAIN,
    )  # fmt: skip
    return kept


def _column(candidates: Sequence[Candidate], name: str) -> dict[str, str]:
    """Return a column by case id, the first candidate's word first."""
    found: dict[str, str] = {}
    for one in reversed(candidates):
        found |= one.column(name)
    return found


def _say_what_is_missing(candidates: Sequence[Candidate], items: Sequence[StudyItem]) -> None:
    first = candidates[0].name
    shown = {name: {i.case for i in items if i.candidate == name} for name in _names(candidates)}
    for one in candidates[1:]:
        both = shown[first] & shown[one.name]
        if not both:
            logger.warning(
                "'%s' shares no case with '%s': its images are rated, but neither shown beside "
                "those nor held against them", one.name, first,
            )  # fmt: skip
    if len(candidates) == 1:
        logger.warning("there is one candidate alone, so nothing that '%s' is held against", first)


def _names(candidates: Sequence[Candidate]) -> list[str]:
    return [one.name for one in candidates]


def _require_names(cohorts: Mapping[str, Path]) -> None:
    if not cohorts:
        raise InputError("reader study: expected cohorts of at least one candidate, got none")
    taken = [name for name in cohorts if name in SIDES]
    if taken:
        raise ConfigError(
            f"reader study: '{taken[0]}' is an answer readers give; call the candidate otherwise"
        )


def _require_own_key(path: Path, study: str, force: bool) -> None:
    """Keep the key of another study: without it ratings that were given already say nothing."""
    if force or not path.is_file():
        return
    table = read_text_table(path)
    columns: list[str] = table.column_names
    there = set(table.column("study").to_pylist()) if "study" in columns else set[object]()
    if there != {study}:
        raise ConfigError(
            f"{path} is the key of another study, without which its ratings say nothing; choose "
            "another folder, or replace it with --force"
        )
