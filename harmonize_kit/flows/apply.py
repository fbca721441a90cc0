"""apply: a saved model and a table in, a harmonized table out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd

from harmonize_kit.combat import FittedComBat
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import require_writable, write_feature_table

NOTE_COLUMN = "harmonization"


def apply(
    model: Path, source: TableInput, output: Path, *, unseen: Literal["error", "keep"] = "error"
) -> FeatureTable:
    """Apply a saved model to a table and write the result.

    With ``unseen="keep"`` the cases of sites the model does not know stay as they are, and a
    column says so.

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
    table = source.read(only=fitted.features)
    result = fitted.apply(table) if unseen == "error" else _apply_known(fitted, table)
    made_by = {"command": "apply", "model": model_digest(fitted)}
    result = result.with_values(result.values, **made_by)
    write_feature_table(result, output, notes=(NOTE_COLUMN,))
    return result


def _apply_known(fitted: FittedComBat, table: FeatureTable) -> FeatureTable:
    sites = text_column(table.covariates, fitted.config.site, table.source)
    known = sites.isin(fitted.sites)
    names = [name for name in table.names if name in set(fitted.features)]
    features = table.features[names].copy()
    if known.any():
        harmonized = fitted.apply(table.select([str(case) for case in sites.index[known]]))
        features.loc[harmonized.features.index] = harmonized.features[names]
    note = pd.Series("harmonized", index=known.index).mask(~known, "kept: unknown site")
    return replace(
        table, features=features, covariates=table.covariates.assign(**{NOTE_COLUMN: note})
    )
