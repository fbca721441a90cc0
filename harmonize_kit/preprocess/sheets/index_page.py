"""The index of a cohort's sheets, to be paged through by keyboard."""

from __future__ import annotations

from collections.abc import Sequence

from harmonize_kit.preprocess.sheets.content import IndexEntry
from harmonize_kit.preprocess.sheets.page import render


def make_index(entries: Sequence[IndexEntry], title: str = "Preprocessed cases") -> str:
    """Return a page with a thumbnail of each case, which opens the sheets one after the other.

    Arrow keys go from case to case, among those that are flagged alone where that is asked for;
    cases are found by id, and sorted by id or by their number of flags. Without scripts it is a
    grid of links. The sheets lie beside the page, as each entry says.

    Examples
    --------
    >>> page = make_index([IndexEntry("sub-01", "sheets/sub-01.html", flags=("low SNR",))])
    >>> "1 flagged" in page
    True
    """
    return render(
        "index.html.j2",
        "index.js",
        frames=True,
        title=title,
        entries=entries,
        flagged=sum(bool(entry.flags) for entry in entries),
        failed=sum(bool(entry.failure) for entry in entries),
    )
