"""A headless Chromium to read reports with, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_chromium() -> str:
    """Return the executable: ``HARMONIZE_KIT_CHROMIUM``, else the first that is on the path."""
    named = os.environ.get("HARMONIZE_KIT_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: install it, or set HARMONIZE_KIT_CHROMIUM to its path")
    return found


def axe_script() -> Path:
    """Return axe-core's script."""
    package = pytest.importorskip("axe_playwright_python", reason="no axe-core: install .[dev]")
    (script,) = Path(package.__path__[0]).rglob("axe.min.js")
    return script


@contextmanager
def open_browser() -> Generator[Any]:
    """Start the browser; the test skips where it, or what drives it, is absent."""
    executable = find_chromium()
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: install .[dev]")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()


class Reading:
    """A page as it was opened: offline, with every request, message and dialog written down."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.url = path.resolve().as_uri()
        self.page.goto(self.url)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def foreign(self) -> list[str]:
        """Requests for anything but the page itself and what it holds."""
        return [url for url in self.requests if url != self.url and not url.startswith("data:")]
