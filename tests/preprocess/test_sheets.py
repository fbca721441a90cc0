"""Sheets and their index as text and pictures: what they show, and what they never do."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.sheets import (
    IndexEntry,
    SheetContent,
    fields_between,
    make_index,
    make_sheet,
    make_thumbnail,
)
from harmonize_kit.preprocess.sheets.outlines import UNIT, outline, tissue_levels
from harmonize_kit.preprocess.sheets.pictures import frame
from harmonize_kit.preprocess.sheets.planes import PLANES, cut, tilt, view_of
from harmonize_kit.preprocess.sheets.records import decided_tables, quality_tables
from harmonize_kit.preprocess.sheets.shades import data_uri, shaded
from harmonize_kit.storage.images import read_image

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\"'&"
# Each array axis may be any axis of the patient, either way.
RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
SAGITTAL = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


def patient_grid(geometry: Geometry) -> NDArray[np.float64]:
    """LPS positions of all voxels, shape (3, z, y, x)."""
    index = np.indices(geometry.size[::-1])[::-1].astype(float)
    matrix = np.array(geometry.direction).reshape(3, 3) * np.array(geometry.spacing)
    return (
        np.einsum("ij,jzyx->izyx", matrix, index) + np.array(geometry.origin)[:, None, None, None]
    )


def head(direction: tuple[float, ...], size: tuple[int, int, int] = (26, 24, 20)) -> Volume:
    """Brighter to the patient's left, back and head, in different steps; on a grid in any order."""
    spacing = (1.5, 2.0, 2.5)
    matrix = np.array(direction).reshape(3, 3) * np.array(spacing)
    origin = -matrix @ ((np.array(size) - 1) / 2)
    grid = Geometry(size, spacing, tuple(origin), direction)
    x, y, z = patient_grid(grid)
    mask = ((x / 14) ** 2 + (y / 15) ** 2 + (z / 16) ** 2 < 1).astype(np.uint8)
    return Volume((1000 + 10 * x + 3 * y + z).astype(np.float32), grid, mask)


def scans(*names: str, labels: bool = False) -> Scans:
    images = {name: head(RAS) for name in names or ("t1",)}
    first = next(iter(images.values()))
    drawn = Volume((patient_grid(first.geometry)[0] > 5).astype(np.uint8), first.geometry)
    return Scans(images, drawn if labels else None, names[0] if names else "t1")


@pytest.mark.parametrize("direction", [RAS, SAGITTAL])
def test_planes_lie_along_the_patient_whatever_the_storage_order(direction: Any) -> None:
    volume = head(direction)
    view = view_of(volume, np.ones(volume.array.shape, bool))
    steps = {"axial": (10, 3), "coronal": (10, -1), "sagittal": (3, -1)}
    for plane in PLANES:
        drawn = cut(volume.array, volume.geometry, view, plane)
        rows, columns = (length // 2 for length in drawn.shape)
        inner = drawn[rows - 3 : rows + 3, columns - 3 : columns + 3]
        across, down = np.diff(inner, axis=1) / view.pixel, np.diff(inner, axis=0) / view.pixel
        np.testing.assert_allclose(across, steps[plane][0], rtol=1e-3)
        np.testing.assert_allclose(down, steps[plane][1], rtol=1e-3)


def test_an_oblique_grid_gives_the_same_plane() -> None:
    angle = np.radians(20)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    turned = head((1.0, 0.0, 0.0, 0.0, c, -s, 0.0, s, c))
    straight = head((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    assert tilt(turned.geometry) == pytest.approx(20)
    assert tilt(straight.geometry) == 0
    view = view_of(straight, straight.mask == 1)
    for plane in PLANES:
        drawn = [cut(v.array, v.geometry, view, plane) for v in (straight, turned)]
        both = (drawn[0] > 0) & (drawn[1] > 0)
        assert both.mean() > 0.5
        np.testing.assert_allclose(drawn[0][both], drawn[1][both], atol=12)  # half a voxel at rims
        assert np.median(np.abs(drawn[0] - drawn[1])[both]) < 1e-2


def test_pictures_are_in_proportion_to_millimetres() -> None:
    volume = head(SAGITTAL)
    view = view_of(volume, volume.mask == 1)
    size = view.high - view.low  # patient's left, back and head
    for plane, (across, down) in zip(PLANES, ((0, 1), (0, 2), (1, 2)), strict=True):
        picture = frame("key", "", "text", view, plane, ())
        assert picture.width / picture.height == pytest.approx(size[across] / size[down], rel=0.03)
        assert picture.share == pytest.approx(size[across])
    np.testing.assert_allclose(size, [28 + 12, 30 + 12, 32 + 12], atol=4)  # the ellipsoid, margins


def test_an_outline_runs_where_the_level_is_crossed() -> None:
    y, x = np.indices((40, 60)) + 0.5
    path = outline((np.hypot(x - 30, y - 20) < 12).astype(float), 0.5)
    start = np.array(re.findall(r"-?\d+", path), dtype=float).reshape(-1, 2) / UNIT
    points = np.cumsum(start, axis=0)
    radius = np.hypot(points[:, 0] - 30, points[:, 1] - 20)
    assert path.startswith("M")
    assert path.endswith("z")
    assert np.abs(radius - 12).max() < 0.8
    assert outline(np.zeros((9, 9)), 0.5) == ""


def test_levels_part_three_tissues() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(centre, 3, 4000) for centre in (20, 60, 90)])
    low, high = tissue_levels(values)
    assert (32 < low < 48, 70 < high < 80) == (True, True)
    assert tissue_levels(np.ones(10)) == ()


def test_what_was_cleared_is_black_though_zero_is_a_middling_intensity() -> None:
    volume = head(RAS)
    assert volume.mask is not None
    z_score = np.where(volume.mask, volume.array - volume.array[volume.mask > 0].mean(), 0)
    seen = shaded(Volume(z_score, volume.geometry, volume.mask))
    drawn = seen.cut(view_of(volume, seen.inside), "axial")
    assert seen.cleared
    assert drawn[0, 0] == 0
    middle = drawn[drawn.shape[0] // 2, drawn.shape[1] // 2]
    assert 0.3 < middle < 0.7


def test_a_sheet_shows_all_that_the_case_has() -> None:
    before, after = scans("t1", "flair"), scans("t1", "flair", labels=True)
    bias = head(RAS).with_array(np.exp(0.01 * patient_grid(head(RAS).geometry)[0]))
    content = SheetContent(
        "sub-01", before, after, {"bias_field_t1": bias, "transform_t1": "text"},
        {"register": {"t1": {"shift": [1.5, 2, 3]}, "nested": [{"a": 1}]}}, ("a note",),
        ("SNR of t1 is 3",), {"t1": {"snr": 3.25}, "flair": {"snr": 8.5, "cjv": None}},
    )  # fmt: skip
    page = make_sheet(content)
    for wanted in (
        "Before", "After", "Bias field", "Registration", "Checkerboard", "tissue borders of t1",
        "a note", "SNR of t1 is 3", "3.25", "8.5", "1.5, 2, 3", "nested 1.a", "Radiological",
    ):  # fmt: skip
        assert wanted in page, wanted
    assert page.count('class="line edge"') == 12
    assert page.count('class="line label label-1"') >= 6
    assert page.count("Histogram.") == 4
    assert len(page.encode()) < 400_000
    pictures = re.findall(r"data:image/webp;base64,([\w+/=]+)", page)
    assert len(pictures) == 3 * (2 + 1 + 2 + 1)
    assert all(Image.open(io.BytesIO(base64.b64decode(data))).size for data in pictures)


def test_a_sheet_is_the_same_each_time_and_leaves_its_input_alone() -> None:
    volume = head(SAGITTAL)
    kept = volume.array.copy()
    case = Scans({"": volume})
    content = SheetContent("a", case, case)
    assert make_sheet(content) == make_sheet(content)
    np.testing.assert_array_equal(volume.array, kept)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_an_image_of_one_value_or_none_still_gives_a_sheet(value: float) -> None:
    grid = Geometry((6, 5, 4))
    flat = Volume(np.full((4, 5, 6), value), grid)
    masked = Volume(flat.array, grid, np.zeros((4, 5, 6), np.uint8))
    page = make_sheet(
        SheetContent("a", Scans({"": flat}), Scans({"": masked}), {"bias_field": flat})
    )
    assert "nan" not in page.lower().replace("nano", "")
    assert "inf" not in re.sub(r"base64,[\w+/=]+", "", page).replace("info", "").lower()


def test_a_template_and_the_unstripped_image_are_shown() -> None:
    whole, before = head(RAS), head(SAGITTAL)
    assert whole.mask is not None
    after = Volume(whole.array * whole.mask, whole.geometry, whole.mask)
    content = SheetContent(
        "a", Scans({"t1": Volume(before.array, before.geometry)}), Scans({"t1": after}),
        unstripped=Scans({"t1": Volume(whole.array, whole.geometry)}),
        reference=whole, reference_name="MNI152",
    )  # fmt: skip
    page = make_sheet(content)
    assert "Before the skull strip" in page
    assert "tissue borders of MNI152" in page
    # A mask found on the grid of the first row is drawn there, wherever the image went later.
    found = Scans({"t1": before})
    page = make_sheet(replace(content, unstripped=found))
    assert "Before the skull strip" not in page
    assert page.count('class="line edge"') == 6


def test_images_on_one_grid_are_cut_alike_and_long_lines_are_drawn_once() -> None:
    names = ("t1", "t2", "flair")
    content = SheetContent("a", Scans({}), scans(*names), reference=head(SAGITTAL))
    page = make_sheet(content)
    again = re.findall(r'<use class="line tissue" href="#([\w-]+)"/>', page)
    drawn = re.findall(r'<path class="line tissue" id="([\w-]+)"', page)
    assert len(drawn) >= 3
    assert sorted(again) == sorted(drawn * 2)


def test_hostile_names_are_text_and_nothing_is_loaded() -> None:
    images = {HOSTILE: head(RAS), "t1": head(RAS)}
    content = SheetContent(
        HOSTILE, Scans(images), Scans(images), decided={HOSTILE: {HOSTILE: HOSTILE}},
        notes=(HOSTILE,), flags=(HOSTILE,), quality={HOSTILE: {HOSTILE: HOSTILE}},
    )  # fmt: skip
    sheet = make_sheet(content)
    entry = IndexEntry(HOSTILE, f"sheets/{HOSTILE}", make_thumbnail(content.after), (HOSTILE,))
    index = make_index([entry, IndexEntry("b", failure=HOSTILE)], title=HOSTILE)
    for page in (sheet, index):
        assert page.count("<script>") == 1
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert 'content="default-src &#39;none&#39;' in page
        loaded = re.findall(r'(?:src|href)="([^"#]*)', page)
        assert all(url.startswith(("data:", "sheets/")) or not url for url in loaded)


def test_a_field_that_was_not_kept_is_what_the_image_was_divided_by() -> None:
    given = head(RAS)
    field = np.exp(0.02 * patient_grid(given.geometry)[0])
    empty = given.array * (given.array > 1100)
    corrected = Scans({"t1": given.with_array(empty / field), "t2": given.with_array(empty)})
    found = fields_between(Scans({"t1": given.with_array(empty)}), corrected)
    assert list(found) == ["bias_field_t1"]
    told = empty > 0
    np.testing.assert_allclose(found["bias_field_t1"].array[told], field[told], rtol=1e-5)
    assert np.isfinite(found["bias_field_t1"].array).all()
    whole = given.with_array(given.array.astype(np.int16))
    assert list(fields_between(Scans({"": whole}), Scans({"": whole}))) == ["bias_field"]


def test_measures_stand_in_short_tables() -> None:
    tables = quality_tables({"t1": {f"m{k}": k * 1e5 for k in range(40)}})
    assert [len(table.rows) for table in tables] == [18, 18, 4]
    assert tables[0].rows[2] == ("m2", "200,000")
    assert quality_tables({}) == []


def test_long_records_are_cut_and_say_so() -> None:
    table = decided_tables({"n4": {f"entry {k}": k for k in range(100)}, "b": {"a": [0.5] * 30}})
    assert len(table[0].rows) == 80
    assert "20 more" in table[0].note
    assert table[1].rows[0][1].endswith("(30 in all)")


def test_an_entry_goes_through_json() -> None:
    entry = IndexEntry("a", "sheets/a.html", "data:image/webp;base64,AA", ("f",), ("n",), "")
    assert IndexEntry.from_document(json.loads(json.dumps(entry.to_document()))) == entry
    page = make_index([entry, IndexEntry("b", failure="GEOMETRY")])
    assert "2 cases, 1 flagged, 1 failed" in page
    assert make_thumbnail(Scans({})) == ""


def test_a_picture_is_made_no_larger_than_asked() -> None:
    uri = data_uri(np.zeros((50, 400), np.uint8), 100)
    data = base64.b64decode(uri.partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (100, 12)


def test_a_real_glioma_fits_and_shows_its_lesion(real_data: Path) -> None:
    folder = real_data / "images" / "brain_tumour_tcga_fg6692"
    raw = read_image(folder / "TCGA-FG-6692_raw_fla.nii.gz")
    done = read_image(folder / "TCGA-FG-6692_fla_bet.nii.gz")
    done = Volume(done.array, done.geometry, (done.array != 0).astype(np.uint8))
    labels = read_image(folder / "TCGA-FG-6692_seg_fusion_mav.nii.gz")
    content = SheetContent("g", Scans({"flair": raw}), Scans({"flair": done}, labels, "flair"))
    page = make_sheet(content)
    assert "oblique by 17°" in page
    assert page.count("line label label-2") >= 3
    assert len(page.encode()) < 100_000
