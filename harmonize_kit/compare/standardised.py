"""A table in units of the training cases of a fold: where every learner of the fold begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harmonize_kit.compare.arrays import Floats, column_scale
from harmonize_kit.compare.folds import Fold


@dataclass(frozen=True)
class Standardised:
    """All cross-validated cases, standardised by those a fold learns from.

    Site probe, predictor and the predictors without one site all start from these and from their
    products, which cost as much as what follows; so they are made once.

    Parameters
    ----------
    fold : Fold
    mean, scale : ndarray, shape (p,)
        Of the features in training; the scale of a constant one is inf.
    values : ndarray, shape (n, p)
        (features - mean) / scale.
    """

    fold: Fold
    mean: Floats
    scale: Floats
    values: Floats

    @property
    def train(self) -> Floats:
        """The training cases, shape (n_train, p)."""
        return self.values[self.fold.train]

    @property
    def test(self) -> Floats:
        """The held-out cases, shape (n_test, p)."""
        return self.values[self.fold.test]

    @property
    def wide(self) -> bool:
        """Whether features outnumber training cases."""
        return self.values.shape[1] > len(self.fold.train)

    @cached_property
    def product(self) -> Floats:
        """Products of the training cases: (p, p), or (n_train, n_train) where that is smaller."""
        train = self.train
        return train @ train.T if self.wide else train.T @ train


def standardise(values: Floats, fold: Fold) -> Standardised:
    """Standardise features, shape (n, p), by the training cases of ``fold``."""
    mean, scale = column_scale(values[fold.train])
    standard = values - mean
    standard /= scale
    return Standardised(fold, mean, scale, standard)
