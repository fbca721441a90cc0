"""How a cohort is split into parts."""

from __future__ import annotations

from fractions import Fraction
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

PARTS = {2: ("train", "test"), 3: ("train", "validation", "test")}
_TOLERANCE = Fraction(1, 1000)  # 0.333, 0.333, 0.333 is meant to be a third each


class SplitConfig(BaseModel):
    """Which subjects go where.

    Parameters
    ----------
    by : str, optional
        Column of what must not be torn apart: the subject. Without it the column ``subject`` where
        the cohort has one, else each case is a subject of its own.
    stratify : tuple of str
        Columns whose levels every part gets in the same proportions.
    categorical : tuple of str
        Columns of numbers that are groups, not measurements. A column called ``site`` always is.
    fractions : tuple of float
        Shares of the subjects: train and test, or train, validation and test. 70, 15 and 15 % leave
        a small cohort enough for both choices and judgement.
    folds : int, optional
        Instead of fractions: the subjects in so many equal parts, each of which is the test part
        of one fold.
    bins : int
        A measurement (age, say) is stratified by so many classes of equally many subjects. Four
        keep classes filled where there are several columns.
    seed : int
        Of the assignment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str | None = None
    stratify: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    fractions: tuple[float, ...] = (0.7, 0.15, 0.15)
    folds: int | None = Field(default=None, ge=2, le=100)
    bins: int = Field(default=4, ge=2, le=20)
    seed: int = Field(default=0, ge=0)

    @field_validator("stratify", "categorical")
    @classmethod
    def _named_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if len({name.lower() for name in columns}) < len(columns):
            raise ValueError(f"expected different columns, got {', '.join(columns)}")
        return columns

    @field_validator("fractions")
    @classmethod
    def _whole(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        listed = ", ".join(f"{share:g}" for share in fractions)
        if len(fractions) not in PARTS:
            raise ValueError(
                "expected two fractions (train, test) or three (train, validation, test), "
                f"got {listed}"
            )
        if not all(0 < share < 1 for share in fractions):
            raise ValueError(f"expected fractions between 0 and 1, got {listed}")
        if abs(sum(map(_exact, fractions)) - 1) > _TOLERANCE:
            raise ValueError(
                f"expected fractions that add up to 1, got {listed}, which add up to "
                f"{sum(fractions):g}"
            )
        return fractions

    @model_validator(mode="after")
    def _categorical_is_stratified(self) -> Self:
        unused = set(map(str.lower, self.categorical)) - set(map(str.lower, self.stratify))
        if unused:
            raise ValueError(
                f"categorical names {', '.join(sorted(unused))}, by which nothing is stratified"
            )
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts the subjects are assigned to."""
        if self.folds is not None:
            return tuple(f"fold-{number}" for number in range(1, self.folds + 1))
        return PARTS[len(self.fractions)]

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """Share of each part, exactly, adding up to 1."""
        if self.folds is not None:
            return (Fraction(1, self.folds),) * self.folds
        exact = [_exact(share) for share in self.fractions]
        return tuple(share / sum(exact) for share in exact)


def _exact(share: float) -> Fraction:
    """Return the decimal number that was written, not the binary one that stands for it."""
    return Fraction(str(share))
