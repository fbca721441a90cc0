"""The page of a reader study: one offline file that shows images and takes ratings.

It holds pictures, questions and random codes, and nothing that names a case, a site or a method.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harmonize_kit.config.reader_study import QUESTIONS, Question, ReaderStudyConfig
from harmonize_kit.core.digest import digest_value
from harmonize_kit.errors import ConfigError
from harmonize_kit.report.reader_study_items import StudyItem

_SCRIPTS = ("reader_study_store.js", "reader_study_viewer.js", "reader_study.js")
_SECONDS = {"single": 30, "pair": 25}  # an item takes about so long


def study_content(
    items: Sequence[StudyItem],
    images: Mapping[tuple[str, str], list[dict[str, Any]]],
    config: ReaderStudyConfig,
) -> dict[str, Any]:
    """Return what the page holds, ready for JSON, with the digest that names the study.

    Parameters
    ----------
    items : sequence of StudyItem
        In the order of showing.
    images : mapping of (case, candidate) to list
        Planes, as :func:`harmonize_kit.report.reader_study_slices.cut_image` returns them.
    config : ReaderStudyConfig
    """
    used = list(dict.fromkeys((item.case, name) for item in items for name in item.shown))
    place = {pair: number for number, pair in enumerate(used)}
    content = {
        "title": config.title,
        "introduction": config.introduction,
        "minutes": max(1, round(sum(_SECONDS[item.kind] for item in items) / 60)),
        "questions": {
            about: [_question(question) for question in config.about(about)]
            for about in ("single", "pair")
        },
        "items": [
            {
                "code": item.code,
                "kind": item.kind,
                "images": [place[item.case, name] for name in item.shown],
            }
            for item in items
        ],
        "images": [images[pair] for pair in used],
    }
    # Letters first, so that no program takes the digest for a number.
    return {"study": f"rs-{digest_value(content)[:16]}", **content}


def render_study(content: Mapping[str, Any]) -> str:
    """Return reader_study.html."""
    templates = files("harmonize_kit.report") / "templates"
    style = (templates / "reader_study.css").read_text(encoding="utf-8")
    script = "\n".join((templates / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    environment = Environment(
        loader=PackageLoader("harmonize_kit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # No text of the data can end the element it stands in.
    data = json.dumps(content, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return environment.get_template("reader_study.html.j2").render(
        title=content["title"],
        introduction=[part for part in content["introduction"].splitlines() if part.strip()],
        count=len(content["items"]),
        minutes=content["minutes"],
        pairs=any(item["kind"] == "pair" for item in content["items"]),
        # As they are: data is escaped above, the others are this package's own files.
        data=Markup(data),  # noqa: S704
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=(
            f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
            f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
        ),
    )


def require_blind(config: ReaderStudyConfig, names: Iterable[str]) -> None:
    """Refuse texts of the page that name what readers must not know.

    Parameters
    ----------
    config : ReaderStudyConfig
    names : iterable of str
        Candidates, cases, subjects and sites.

    Raises
    ------
    ConfigError
        If the title, the introduction or a question holds one of them as a word.
    """
    texts = [] if config.title == ReaderStudyConfig().title else [config.title]
    texts.append(config.introduction)
    # The words of the default questions are the same whatever is compared, so they tell nothing.
    for question in set(config.questions) - set(QUESTIONS):
        texts += [question.name, question.text, question.hint, *question.answers]
    words = {word.lower() for text in texts for word in re.findall(r"\w+(?:[-.]\w+)*", text)}
    told = sorted(name for name in set(names) if len(name) > 1 and name.lower() in words)
    if told:
        raise ConfigError(
            f"reader study: expected texts that name no candidate, case or site, got '{told[0]}'; "
            "readers must not know: use another word, or name the candidate otherwise"
        )


def _question(question: Question) -> dict[str, Any]:
    if question.kind == "preference":
        answers = [("left", "the left one"), ("same", "no preference"), ("right", "the right one")]
    elif question.kind == "scale":
        answers = [(str(step), text) for step, text in enumerate(question.answers, start=1)]
    else:
        answers = [(text, text) for text in question.answers]
    return {
        "name": question.name,
        "text": question.text,
        "hint": question.hint,
        "answers": [{"value": value, "label": label} for value, label in answers],
    }


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
