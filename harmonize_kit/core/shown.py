"""Names as they are shown to people: such as cannot misbehave."""

from __future__ import annotations

import unicodedata

_JOINERS = {"\u200c", "\u200d"}  # they shape letters of living scripts and reorder nothing
_UNSHOWN = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


def shown(name: object, limit: int | None = None) -> str:
    r"""Return a name with its control and direction characters written out, cut to ``limit``.

    A site called with a right-to-left override would turn the rest of its line around, and a
    control character makes an SVG file unreadable; escaped, both are just odd names.

    Examples
    --------
    >>> shown("Site" + chr(0x202E) + "A")
    'Site\\u202eA'
    """
    text = "".join(_escaped(character) for character in str(name))
    if limit is not None and len(text) > limit:
        return text[: limit - 1] + "…"
    return text


def _escaped(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _UNSHOWN:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
