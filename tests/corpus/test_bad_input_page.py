"""The page on bad input says what the manifest and the measured figures say."""

from __future__ import annotations

from corpus.bad_input_page import PAGE, page
from corpus.manifest import expected_cases


def test_the_page_is_what_the_generator_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run tests/corpus/bad_input_page.py"


def test_every_case_has_a_row() -> None:
    text = page()
    assert all(text.count(f"| `{case.name}` |") == 1 for case in expected_cases())
    assert "not measured" not in text.replace(
        "| `permission_denied` | File that may not be read | not measured", ""
    )
