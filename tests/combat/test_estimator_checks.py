"""scikit-learn's own checks of an estimator, for ComBat and CovBat whose sites are made up here.

The checks call ``fit(X, y)``; a site is what ComBat cannot do without. So the cases of a fit are
given to two sites in turn, and those of ``transform`` to the first.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn.utils.estimator_checks import parametrize_with_checks

from harmonize_kit.combat import ComBat, CovBat

NOT_OURS = {
    "check_fit2d_1sample": "one case has no site effect; the error is not of scikit-learn's words",
}
NOT_OF_COVBAT = NOT_OURS | {
    "check_estimators_nan_inf": "a fit refuses what is missing; transform leaves it missing",
}


class TwoSites:
    """Gives sites to the cases that come without."""

    def fit(self, X: Any, y: object = None) -> Any:  # pyright: ignore
        return cast(Any, super()).fit(X, y, covariates=_sites(X, "AB"))

    def transform(self, X: Any) -> Any:  # pyright: ignore
        return cast(Any, super()).transform(X, covariates=_sites(X, "A"))

    def fit_transform(self, X: Any, y: object = None) -> Any:  # pyright: ignore
        return self.fit(X, y).transform(X)


class TwoSiteComBat(TwoSites, ComBat):  # pyright: ignore
    """ComBat of two sites."""


class TwoSiteCovBat(TwoSites, CovBat):  # pyright: ignore
    """CovBat of two sites."""


def _sites(X: Any, names: str) -> pd.DataFrame:
    shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
    count = shape[0] if shape else 0
    index = X.index if isinstance(X, pd.DataFrame) else None
    return pd.DataFrame({"site": [names[row % len(names)] for row in range(count)]}, index=index)


@parametrize_with_checks(
    [TwoSiteComBat(empirical_bayes=False), TwoSiteCovBat(empirical_bayes=False)],
    expected_failed_checks=lambda one: NOT_OF_COVBAT if isinstance(one, CovBat) else NOT_OURS,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with np.errstate(all="ignore"):
        check(estimator)
