"""Names and numbers as they are shown: names that cannot misbehave, numbers with few digits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

from harmonize_kit.core.shown import shown as shown

MISSING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def finite(value: object) -> float | None:
    """Return a number as float, None where it is missing or not finite."""
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def fixed(value: float | None, decimals: int) -> str:
    """Return a number with fixed decimals, so that a column of them lines up."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{decimals}f}".replace("-", _MINUS)
    return text.removeprefix(_MINUS) if float(f"{value:.{decimals}f}") == 0 else text


def fixed_share(value: float | None) -> str:
    """Return a share of variance: three decimals, and never zero for what is not zero."""
    return "<0.001" if value is not None and 0 < value < 0.0005 else fixed(value, 3)


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number with ``digits`` significant digits, plain where that is readable."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if -4 <= magnitude < 7:
        return f"{value:,.{max(0, digits - 1 - magnitude)}f}".replace("-", _MINUS)
    return f"{value:.{digits - 1}e}".replace("-", _MINUS)


def trimmed(value: float | None) -> str:
    """Return a number with up to three significant digits, as short as it can be written."""
    text = significant(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def percent(value: float | None) -> str:
    """Return a share as whole percent, with one decimal where it is below one percent."""
    if value is None or not math.isfinite(value):
        return MISSING
    share = 100 * value
    if 0 < share < 0.05:
        return "<0.1\N{NARROW NO-BREAK SPACE}%"
    return f"{share:.{1 if 0 < abs(share) < 1 else 0}f}\N{NARROW NO-BREAK SPACE}%"


def p_value(p: float | None) -> str:
    """Return a p value with its relation sign: ``p = 0.03``, ``p < 0.001``."""
    if p is None or not math.isfinite(p):
        return f"p {MISSING}"
    return "p < 0.001" if p < 0.001 else f"p = {p:.{3 if p < 0.01 else 2}f}"


def listed(names: Sequence[str], limit: int | None = None) -> str:
    """Return names as a sentence lists them: ``a``, ``a and b``, ``a, b and c``."""
    parts = list(names)
    if limit is not None and len(parts) > limit:
        parts = [*parts[:limit], f"{len(parts) - limit} more"]
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def counted(number: int, noun: str) -> str:
    """Return a count with its noun: ``1 site``, ``4 sites``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
