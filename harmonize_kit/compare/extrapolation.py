"""How many held-out cases lie beyond the people their fold's models were made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harmonize_kit.compare.covariates import Covariate
from harmonize_kit.compare.folds import CrossValidation


def held_out_ranges(
    covariates: Sequence[Covariate], split: CrossValidation | None
) -> list[dict[str, Any]]:
    """Return for each number its range, and how many held-out cases lie outside their training.

    Parameters
    ----------
    covariates : sequence of Covariate
        Of all cases; those of levels are left out, as a level is either known or not.
    split : CrossValidation, optional

    Returns
    -------
    list of dict
        ``covariate``, ``range`` (of the cross-validated cases), ``beyond`` and ``cases``.
    """
    found: list[dict[str, Any]] = []
    for covariate in covariates if split is not None else ():
        if covariate.kind != "numeric":
            continue
        assert split is not None
        values = covariate.values[split.rows]
        beyond = 0
        for fold in split.folds:
            known, held = values[fold.train], values[fold.test]
            beyond += int(np.count_nonzero((held < known.min()) | (held > known.max())))
        ends = [float(values.min()), float(values.max())]
        found.append(
            {"covariate": covariate.name, "range": ends, "beyond": beyond, "cases": len(values)}
        )
    return found
