from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.digest import digest_arrays, digest_value
from harmonize_kit.core.scorecard import Null, Score, Scorecard
from harmonize_kit.core.table import FeatureTable, number_column, parse_number, text_column
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import CaseError, CovariateError, GeometryError, InputError, TableError


def test_a_cohort_refuses_repeated_ids_and_names_their_rows() -> None:
    cases = tuple(Case(name, {"": "i"}, "m") for name in ("a", "b", "a"))
    with pytest.raises(TableError, match=r"'a' in data rows 1, 3"):
        Cohort(cases)


def test_a_cohort_needs_a_case() -> None:
    with pytest.raises(TableError, match="no row"):
        Cohort(())


def test_array_and_geometry_must_agree() -> None:
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\)"):
        Volume(np.zeros((2, 3, 4)), Geometry((2, 3, 4)))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"spacing": (1.0, 1.0, 1.1)}, "spacing"),
        ({"origin": (0.0, 0.1, 0.0)}, "origin"),
        ({"direction": (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)}, "direction"),
        ({"size": (3, 3, 4)}, "size"),
    ],
)
def test_a_mask_on_another_grid_is_refused_with_what_differs(
    change: dict[str, tuple[float, ...]], word: str
) -> None:
    geometry = Geometry((3, 3, 3))
    other = Geometry(**{"size": (3, 3, 3), **change})  # type: ignore[arg-type]
    image = Volume(np.zeros((3, 3, 3)), geometry)
    mask = Volume(np.zeros(other.size[::-1]), other)
    with pytest.raises(GeometryError, match=word):
        image.with_mask(mask)


def test_a_rounding_difference_in_origin_is_accepted() -> None:
    image = Volume(np.zeros((3, 3, 3)), Geometry((3, 3, 3)))
    mask = Volume(np.ones((3, 3, 3)), Geometry((3, 3, 3), origin=(1e-7, 0.0, 0.0)))
    assert image.with_mask(mask).mask is not None


def test_an_infinite_feature_is_refused_with_its_place() -> None:
    features = pd.DataFrame({"f": [1.0, np.inf]}, index=["x", "y"])
    with pytest.raises(TableError, match=r"id 'y', column 'f'"):
        FeatureTable(features, pd.DataFrame(index=["x", "y"]))


def test_joining_is_by_id_not_by_position() -> None:
    features = pd.DataFrame({"f": [1.0, 2.0]}, index=["x", "y"])
    covariates = pd.DataFrame({"site": ["B", "A", "C"]}, index=["y", "x", "z"])
    joined = FeatureTable.join(features, covariates)
    assert joined.covariates["site"].tolist() == ["A", "B"]


def test_a_case_without_covariates_is_named() -> None:
    features = pd.DataFrame({"f": [1.0, 2.0]}, index=["x", "y"])
    with pytest.raises(TableError, match="'y'"):
        FeatureTable.join(features, pd.DataFrame({"site": ["A"]}, index=["x"]))


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1.5", 1.5), ("89+", 89.0), (" 3 ", 3.0), (2, 2.0), ("M", None), ("inf", None), (True, None)],
)
def test_cells_become_numbers_as_bids_writes_them(cell: object, number: float | None) -> None:
    assert parse_number(cell) == number


def test_missing_numbers_are_nan_and_text_is_refused_by_id() -> None:
    frame = pd.DataFrame({"age": ["30", "n/a", "x"]}, index=["a", "b", "c"])
    assert np.isnan(number_column(frame[:2], "age")["b"])
    with pytest.raises(CovariateError, match=r"'x' at id 'c'"):
        number_column(frame, "age")


def test_sites_stay_text() -> None:
    frame = pd.DataFrame({"site": ["007", "NA", 3.0]}, index=["a", "b", "c"])
    assert text_column(frame, "site").tolist() == ["007", "NA", "3"]


def test_an_empty_site_is_refused_and_a_misspelt_column_hinted() -> None:
    frame = pd.DataFrame({"site": ["A", ""]}, index=["a", "b"])
    with pytest.raises(CovariateError, match="'b'"):
        text_column(frame, "site")
    with pytest.raises(CovariateError, match="Did you mean 'site'"):
        text_column(frame, "sites")


def test_digests_see_names_types_shapes_and_values() -> None:
    base = digest_arrays({"a": np.arange(4.0)})
    others = [
        {"b": np.arange(4.0)}, {"a": np.arange(4)}, {"a": np.arange(4.0).reshape(2, 2)},
        {"a": np.array([0.0, 1.0, 2.0, 4.0])},
    ]  # fmt: skip
    assert base not in [digest_arrays(other) for other in others]
    assert base == digest_arrays({"a": np.arange(4.0).astype(">f8")})
    assert digest_value({"x": 1, "y": 2}) == digest_value({"y": 2, "x": 1})


def test_a_scorecard_is_strict_json_and_a_table() -> None:
    card = Scorecard(
        (
            Score("raw", "site", "m", "site", 0.5, False, (0.4, float("nan")), Null(0, 0, 1, 0.1)),
            Score("combat", "biology", "r2", "age", 0.1, True),
        )
    )
    records = json.loads(json.dumps(card.to_records(), allow_nan=False))
    assert records[0]["interval"] == [0.4, None]
    assert records[0]["null"]["p"] == 0.1
    assert records[1]["null"] is None
    assert card.to_frame()["candidate"].tolist() == card.candidates == ["raw", "combat"]
    assert card.to_table().loc[("site", "m", "site"), "raw"] == "0.5 [0.4, nan]"
    assert card.to_table().loc[("site", "m", "site"), "combat"] == ""
    found = card.find("combat", "r2", "age")
    assert found is not None
    assert found.value == 0.1


def test_a_notebook_shows_names_as_text() -> None:
    name = "<script>alert(1)</script>"
    page = Scorecard((Score(name, "site", name, name, 0.5, False),))._repr_html_()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 3
    assert Scorecard(())._repr_html_() == "<p>no scores</p>"


def test_a_list_of_ids_is_the_callers_own() -> None:
    frame = pd.DataFrame({"f": [1.0, 2.0]}, index=[7, 8])
    table = FeatureTable(frame, pd.DataFrame({"site": ["A", "B"]}, index=[7, 8]))
    table.ids.append("other")
    assert table.ids == ["7", "8"]
    with pytest.raises(TableError, match="'7'"):
        FeatureTable(frame.set_axis(["7", 7]), pd.DataFrame(index=["7", 7]))


def test_what_was_given_wrongly_is_a_value_error_too() -> None:
    assert issubclass(TableError, InputError)
    assert issubclass(InputError, ValueError)
    assert not issubclass(CaseError, ValueError)
