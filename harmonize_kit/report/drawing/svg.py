"""What matplotlib wrote as SVG, made small, unique, described and ready for dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from xml.etree import ElementTree as ET

from matplotlib.figure import Figure

from harmonize_kit.report.drawing.style import PAPER, VARIABLES

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NUMBER = re.compile(r"-?\d+\.\d+")
_UNUSED = {"style", "metadata"}
_FONT = "'DejaVu Sans', sans-serif"
_SCALE = 1.42  # CSS pixels a point, so that letters of 9 points are as large as the tables'
_ROUND_JOIN = "stroke-linejoin: round; stroke-linecap: butt"  # of matplotlib's style sheet


def write_svg(figure: Figure) -> str:
    """Return the figure as matplotlib writes it, without date or version.

    The canvas is asked directly: ``savefig`` would draw everything twice, once for the layout.
    """
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    cast(Any, figure.canvas).print_svg(stream, metadata=nothing)
    return stream.getvalue()


def parse(text: str) -> ET.Element:
    """Return the element tree of an SVG that was drawn here, its numbers rounded."""
    root = ET.fromstring(text)  # noqa: S314  written by matplotlib a moment ago
    for element in root.iter():
        for name in ("x", "y", "d", "width", "height", "transform", "points"):
            if name in element.attrib:
                element.set(name, _NUMBER.sub(_rounded, " ".join(element.attrib[name].split())))
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
    return root


def inline_svg(
    root: ET.Element, key: str, title: str, description: str, hover: Mapping[str, Sequence[str]]
) -> str:
    """Return SVG to stand inside a page: colours and font are the page's, ids its own."""
    _prepare(root, key, title, description, hover)
    points = float(root.attrib.pop("width").removesuffix("pt"))
    del root.attrib["height"]
    root.set("style", f"{root.attrib['style']}; --width: {points * _SCALE:.0f}px")
    for element in root.iter():
        element.tag = _local(element)
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
        style = element.get("style")
        if style is not None:
            for sentinel, variable in VARIABLES.items():
                style = style.replace(sentinel, variable)
            element.set("style", style.replace(_FONT, "var(--sans)"))
    return ET.tostring(root, encoding="unicode")


def standalone_svg(
    root: ET.Element, key: str, title: str, description: str, hover: Mapping[str, Sequence[str]]
) -> str:
    """Return SVG to be a file of its own: dark on white, in any sans-serif."""
    _prepare(root, key, title, description, hover)
    ground = ET.Element(f"{{{_SVG}}}rect", width="100%", height="100%", style=f"fill: {PAPER}")
    root.insert(2, ground)
    for element in root.iter():
        if "style" in element.attrib:
            element.set("style", element.attrib["style"].replace(_FONT, "sans-serif"))
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    text = ET.tostring(root, encoding="unicode").replace(PAPER, "#ffffff")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _prepare(
    root: ET.Element, key: str, title: str, description: str, hover: Mapping[str, Sequence[str]]
) -> None:
    _drop_stylesheet(root)
    for group in list(root.iter(f"{{{_SVG}}}g")):
        name = group.get("id", "")
        if name in hover:
            _name_points(group, hover[name])
    _own_ids(root, key)
    _describe(root, key, title, description)


def _drop_stylesheet(root: ET.Element) -> None:
    """Move matplotlib's ``*{...}`` rule, which would reach the whole page, to the figure."""
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child) in _UNUSED or (_local(child) == "defs" and not _has_shapes(child)):
                parent.remove(child)
    root.set("style", _ROUND_JOIN)


def _has_shapes(defs: ET.Element) -> bool:
    return any(_local(child) not in _UNUSED for child in defs)


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _name_points(group: ET.Element, names: Sequence[str]) -> None:
    """Give points their hover text; what they have in common goes to their group instead."""
    holder = next(
        (part for part in group.iter() if part.find(f"{{{_SVG}}}use") is not None), ET.Element("g")
    )
    points = holder.findall(f"{{{_SVG}}}use")
    if len(points) != len(names):
        raise AssertionError(f"{len(names)} points were drawn, {len(points)} are in the figure")
    for point in points:
        holder.set("style", point.attrib.pop("style", ""))
    if len(set(names)) == 1 and len(names) > 1:  # said once, for all of them
        title = ET.Element(f"{{{_SVG}}}title")
        title.text = names[0]
        holder.insert(0, title)
        return
    for point, name in zip(points, names, strict=True):
        ET.SubElement(point, f"{{{_SVG}}}title").text = name


def _own_ids(root: ET.Element, key: str) -> None:
    """Keep only ids that something points to, renamed to begin with the figure's key."""
    used = {name for element in root.iter() for name in _references(element)}
    renamed: dict[str, str] = {}
    for element in root.iter():
        name = element.attrib.pop("id", "")
        if name in used:
            renamed[name] = f"{key}-{len(renamed)}"
            element.set("id", renamed[name])
    for element in root.iter():
        if _HREF in element.attrib:
            element.set(_HREF, f"#{renamed[element.attrib[_HREF][1:]]}")
        clip = element.get("clip-path")
        if clip is not None:
            element.set(
                "clip-path", _REFERENCE.sub(lambda found: f"url(#{renamed[found[1]]})", clip)
            )


def _references(element: ET.Element) -> Iterator[str]:
    if _HREF in element.attrib:
        yield element.attrib[_HREF][1:]
    yield from _REFERENCE.findall(element.get("clip-path", ""))


def _describe(root: ET.Element, key: str, title: str, description: str) -> None:
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-title {key}-desc")
    for place, (name, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{_SVG}}}{name}", id=f"{key}-{name}")
        element.text = text
        root.insert(place, element)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
