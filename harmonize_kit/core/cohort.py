"""A cohort: the cases of a study, in order, each known by its id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from harmonize_kit.errors import TableError


@dataclass(frozen=True)
class Case:
    """One row of a cohort table.

    Parameters
    ----------
    id : str
        Unique in the cohort; every join is by it.
    images : mapping of str to str
        Path of the image by modality. A cohort with one unnamed modality uses the key ``""``.
    mask : str
        Path of the mask; empty where the cohort has none.
    labels : tuple of int, or None
        Labels of the mask that are regions of interest; None means all that occur, empty that
        the cohort does not say (then the extraction settings do, or label 1).
    label_channel : int
        Channel that holds the labels where the mask file has several.
    columns : mapping of str to str
        All other columns of the row (site, age, sex ...), as text.
    """

    id: str
    images: Mapping[str, str]
    mask: str = ""
    labels: tuple[int, ...] | None = ()
    label_channel: int = 0
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Cohort:
    """Ordered cases with unique ids.

    Parameters
    ----------
    cases : tuple of Case
        In the order of the table.
    columns : tuple of str
        Names of the passed-through columns, in the order of the table.
    source : str
        Where the cohort came from, for messages.

    Raises
    ------
    TableError
        If there is no case, or two cases share an id.
    """

    cases: tuple[Case, ...]
    columns: tuple[str, ...] = ()
    source: str = "cohort"

    def __post_init__(self) -> None:
        if not self.cases:
            raise TableError(f"{self.source}: expected at least one case, got a header and no row")
        check_unique_ids((case.id for case in self.cases), self.source)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)


def check_unique_ids(ids: Iterable[str], source: str) -> None:
    """Raise TableError, naming the ids and their data rows (the first is row 1), if any repeats."""
    listed = list(ids)
    repeated = [name for name, count in Counter(listed).items() if count > 1]
    if not repeated:
        return
    rows = [number for number, name in enumerate(listed, start=1) if name == repeated[0]]
    more = f" ({len(repeated)} ids in all)" if len(repeated) > 1 else ""
    raise TableError(
        f"{source}: ids must be unique because every join is by id, got '{repeated[0]}' in data "
        f"rows {', '.join(map(str, rows[:5]))}{more}; give each row its own id "
        "(one case with several labels is one row with Label 1;2)"
    )
