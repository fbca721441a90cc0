"""The pages of pictures: one a case, made where the case is; one index, made at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError, IntegrityError
from harmonize_kit.execution import Failed
from harmonize_kit.flows.preprocess_cohort import Source
from harmonize_kit.flows.preprocess_kept import KeptStages
from harmonize_kit.flows.preprocess_product import Finished
from harmonize_kit.flows.preprocess_quality import flags_of, measures_of
from harmonize_kit.flows.preprocess_tables import RecordOf
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.sheets import (
    IndexEntry,
    SheetContent,
    fields_between,
    make_index,
    make_sheet,
    make_thumbnail,
)
from harmonize_kit.preprocess.template import load_template
from harmonize_kit.storage.whole import write_text

INDEX = "index.html"


def sheet_of(
    done: Finished, byproducts: Mapping[str, Volume | str], kept: KeptStages
) -> tuple[str, str]:
    """Return the page of a case, and its thumbnail."""
    decided = {record["stage"]: record["decided"] for record in done.records}
    notes = [*done.notes, *(note for record in done.records for note in record["notes"])]
    reference, name = _reference(done)
    content = SheetContent(
        done.source.case.id,
        done.before,
        done.after,
        {**_bias_fields(done, kept), **byproducts},
        {stage: found for stage, found in decided.items() if stage != "quality"},
        tuple(notes),
        flags_of(decided),
        measures_of(decided),
        _unstripped(done, kept),
        reference,
        name,
    )
    return make_sheet(content), make_thumbnail(done.after)


def write_index(
    source: Source, record_of: RecordOf, failed: Mapping[str, Failed], folder: Path
) -> bool:
    """Write the index of the sheets unless it stands there as it is; say whether it was written."""
    entries: list[IndexEntry] = []
    for case in source.cohort:
        record, failure = record_of(case), failed.get(case.id)
        if record is not None:
            entries.append(_entry(case.id, record))
        elif failure is not None:
            told = f"{failure.stage}: {failure.code}: {failure.message}"
            entries.append(IndexEntry(case.id, failure=told))
    text = make_index(entries)
    path = folder / INDEX
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def _entry(case_id: str, record: Mapping[str, Any]) -> IndexEntry:
    sheet = record["files"].get("sheet", {"path": ""})["path"]
    return IndexEntry(
        case_id, sheet, record["thumbnail"], flags_of(record["decided"]), tuple(record["notes"])
    )


def _unstripped(done: Finished, kept: KeptStages) -> Scans | None:
    """Return the scans as they were given to the skull strip, with the masks it found."""
    given = _given_to("strip", done, kept)
    if given is None:
        return None
    found = kept.read(_record_of("strip", done), lambda: done.before)[0].images
    return given.map_images(lambda name, volume: replace(volume, mask=found[name].mask))


def _bias_fields(done: Finished, kept: KeptStages) -> dict[str, Volume]:
    """Return the bias fields, which are shown whether or not they are saved."""
    given = _given_to("n4", done, kept)
    if given is None:
        return {}
    return fields_between(given, kept.read(_record_of("n4", done), lambda: done.before)[0])


def _record_of(stage: str, done: Finished) -> Mapping[str, Any]:
    return next(record for record in done.records if record["stage"] == stage)


def _given_to(stage: str, done: Finished, kept: KeptStages) -> Scans | None:
    """Return the scans as they were given to a stage, None where it did not run."""
    stages = [record["stage"] for record in done.records]
    if stage not in stages:
        return None
    place = stages.index(stage)
    if place == 0:
        return done.before
    try:
        return kept.read(done.records[place - 1], lambda: done.before)[0]
    except IntegrityError:
        # Of a stage long past, which nothing else needs.
        return None


def _reference(done: Finished) -> tuple[Volume | None, str]:
    """Return the template that the images were registered to, and its name."""
    config = done.registration
    if config is None or config.mode == "native" or not config.uses_template:
        return None, "template"
    try:
        return load_template(config), config.template if config.template == "mni152" else "template"
    except CaseError:
        return None, "template"
