"""apply: a saved model and a table in, a harmonized table out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat import Fitted, extrapolated_cases, known_cases, parts_of
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import require_writable, write_feature_table

NOTE_COLUMN = "harmonization"
HARMONIZED, KEPT = "harmonized", "kept: unknown site"
BEYOND = "beyond the training range"


def apply(
    model: Path, source: TableInput, output: Path, *, unseen: Literal["error", "keep"] = "error"
) -> FeatureTable:
    """Apply a saved model to a table and write the result.

    With ``unseen="keep"`` the cases of sites the model does not know stay as they are, and a
    column says so; it also says which cases lie beyond the training range of a covariate.

    Raises
    ------
    UnseenSiteError
        If a site is unknown and ``unseen`` is "error".
    TableError, CovariateError
        If the table lacks a feature or covariate of the model.
    IntegrityError
        If the model was damaged or changed.
    """
    fitted, _ = load_fitted(model)
    require_writable(output, source.paths)
    table = source.read(only=parts_of(fitted)[0].features)
    known = np.ones(len(table.ids), dtype=np.bool_)
    if unseen == "keep":
        known = known_cases(fitted, table)
    result = fitted.apply(table) if known.all() else _apply_known(fitted, table, known)
    notes = notes_on_cases(fitted, table, known)
    if unseen == "keep" or (notes != HARMONIZED).any():
        result = replace(result, covariates=result.covariates.assign(**{NOTE_COLUMN: notes}))
    made_by = {"command": "apply", "model": model_digest(fitted)}
    result = result.with_values(result.values, **made_by)
    write_feature_table(result, output, notes=(NOTE_COLUMN,))
    return result


def _apply_known(fitted: Fitted, table: FeatureTable, known: NDArray[np.bool_]) -> FeatureTable:
    own = set(parts_of(fitted)[0].features)
    names = [name for name in table.names if name in own]
    features = table.features[names].copy()
    if known.any():
        ids = [case for case, flag in zip(table.ids, known, strict=True) if flag]
        harmonized = fitted.apply(table.select(ids))
        features.loc[harmonized.features.index] = harmonized.features[names]
    return replace(table, features=features)


def notes_on_cases(fitted: Fitted, table: FeatureTable, known: NDArray[np.bool_]) -> pd.Series[str]:
    """Return a word on each case: harmonized, by extrapolation, or kept."""
    notes = pd.Series(HARMONIZED, index=table.covariates.index, dtype=object)
    rows = [case for case, flag in zip(table.ids, known, strict=True) if flag]
    for name, beyond in extrapolated_cases(fitted, table.select(rows)).items():
        flagged = [case for case, flag in zip(rows, beyond, strict=True) if flag]
        plain = notes[flagged] == HARMONIZED
        notes[flagged] += plain.map({True: ": ", False: ", "}) + f"{name} {BEYOND}"
    return notes.mask(~known, KEPT)
