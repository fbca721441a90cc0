"""fit: a feature table in, a saved model out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit.combat import (
    Fitted,
    describe,
    harmonizer_of,
    named_columns,
    parse_formula,
    parts_of,
)
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.digest import digest_arrays, digest_file, digest_value
from harmonize_kit.flows.models import save
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import require_writable, write_feature_table


def fit(
    source: TableInput,
    model: Path,
    config: ComBatConfig,
    *,
    harmonized: Path | None = None,
) -> Fitted:
    """Fit a harmonizer to a table, save it, and optionally write the table harmonized by it.

    Raises
    ------
    TableError, CovariateError, DesignError
        If the table cannot be read or the design cannot be estimated; nothing is written.
    ConfigError
        If ``model`` holds something other than a model.
    """
    named = {*named_columns(config), *parse_formula(config.preserve).columns, *config.smooth}
    if harmonized is not None:
        require_writable(harmonized, source.paths)
    table = source.read(not_features=named)
    fitted = harmonizer_of(config).fit(table)
    result = fitted.apply(table) if harmonized is not None else None
    save(fitted, model, table=digest_file(source.path), cases=len(table.ids))
    if harmonized is not None and result is not None:
        made_by = {"command": "fit", "model": model_digest(fitted), "in_sample": True}
        write_feature_table(result.with_values(result.values, **made_by), harmonized)
    return fitted


def model_digest(fitted: Fitted) -> str:
    """Return a short digest that names a model in the tables it makes."""
    _, document, arrays = describe(fitted)
    return digest_value([document, digest_arrays(arrays)])[:16]


def describe_fit(fitted: Fitted) -> dict[str, Any]:
    """Return what was fitted, as plain values: cases, sites with their cases, features."""
    parts = parts_of(fitted)
    return {
        "cases": sum(parts[0].counts),
        "sites": {
            site: count
            for part in parts
            for site, count in zip(part.sites, part.counts, strict=True)
        },
        "features": len(parts[0].features),
        "passed_through": int(np.any([part.passed_through for part in parts], axis=0).sum()),
    }
