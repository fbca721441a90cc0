"""Sheets and their index as offline pages, rendered by autoescaping templates."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harmonize_kit.core.shown import shown

_PACKAGE = "harmonize_kit.preprocess.sheets"


def render(template: str, script: str, frames: bool = False, **content: Any) -> str:
    """Return a page with the style of all sheets and one script, the only one that may run.

    ``frames`` allows other files to be shown inside the page.
    """
    templates = files(_PACKAGE) / "templates"
    code = (templates / script).read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    return environment.get_template(template).render(
        **content,
        # As they are: this package's own files.
        style=Markup((templates / "style.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup(code),  # noqa: S704
        policy=_policy(code, frames),
    )


def _policy(script: str, frames: bool) -> str:
    """Return a content-security policy that lets this one script run and nothing be loaded."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    framed = "frame-src 'self' file:; " if frames else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; {framed}"
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
