from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeWarning, TableError
from harmonize_kit.storage.cohorts import missing_files, parse_labels, read_cohort
from harmonize_kit.storage.feature_tables import (
    read_covariates,
    read_feature_table,
    require_writable,
    with_covariates,
    write_feature_table,
)
from harmonize_kit.storage.identity import find_id_column


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_pyradiomics_batch_file_reads_unchanged(tmp_path: Path) -> None:
    path = write(
        tmp_path / "batch.csv",
        "Patient,Image,Mask,Label,Label_channel\n007,a.nrrd,sub/m.nrrd,2,1\nNA,b.nrrd,n.nii.gz,,\n",
    )
    cohort = read_cohort(path)
    assert [case.id for case in cohort] == ["m_label-2", "n_label-1"]
    assert [case.columns["Patient"] for case in cohort] == ["007", "NA"]
    assert cohort.cases[0].mask == str(tmp_path / "sub" / "m.nrrd")
    assert [case.labels for case in cohort] == [(2,), ()]
    assert [case.label_channel for case in cohort] == [1, 0]


@pytest.mark.parametrize("name", ["id", "ID", "participant_id", "Case_ID", "subject_id"])
def test_ids_are_text_under_any_usual_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "c.tsv", f"{name}\timage\tMASK\n007\ti\tm\n1E5\ti\tm\nNA\ti\tm\n")
    assert [case.id for case in read_cohort(path)] == ["007", "1E5", "NA"]


def test_several_modalities(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "id,Image_t1,Image_flair,Mask,site\na,x,y,m,S\n")
    case = read_cohort(path).cases[0]
    assert list(case.images) == ["t1", "flair"]
    assert dict(case.columns) == {"site": "S"}


def test_every_problem_of_a_cohort_is_told_with_row_and_column(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "id,Image,Mask,Label\na,,m,1\na,i,m,x\n,i,m,1;1\n")
    with pytest.raises(TableError) as caught:
        read_cohort(path)
    problems = caught.value.problems
    assert len(problems) == 4
    for expected in ("row 1: column 'Image'", "row 2: column 'Label'", "row 3", "'a' in data rows"):
        assert any(expected in problem for problem in problems), expected


def test_missing_files_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "i", "x")
    cohort = read_cohort(write(tmp_path / "c.csv", "id,Image,Mask\na,i,nothere\n"))
    assert len(missing_files(cohort)) == 1


@pytest.mark.parametrize(
    ("text", "labels"), [("1", (1,)), ("1;2; 4", (1, 2, 4)), ("all", None), ("", ()), ("3.0", (3,))]
)
def test_labels(text: str, labels: tuple[int, ...] | None) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"id,f\n", "no row"),
        ("t.csv", b"", "column names"),
        ("t.csv", b"id;f\n1;2\n", "semicolons"),
        ("t.csv", b"id,f,f\na,1,2\n", "'f' is named twice"),
        ("t.csv", b"id,f\na,1\nb\n", "Expected 2 columns"),
        ("t.csv", "id,f\né,1\n".encode("latin1"), "UTF-8"),
        ("t.xlsx", b"PK", "expected .csv"),
        ("t.csv", b"id,f\na,1\na,2\n", "must be unique"),
        ("t.csv", b"id,f\na,inf\n", "infinite"),
        ("t.csv", b"id,f\na,x\n", "columns of numbers"),
        ("t.csv", b'id,f\na,"1,5"\nb,"2,5"\n', "decimal mark"),
    ],
)
def test_unusable_tables_are_refused_in_words(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        read_feature_table(path)


def test_bom_line_ends_and_compression_do_not_matter(tmp_path: Path) -> None:
    content = "\ufeffid,site,f\r\n007,1,2.5\r\n".encode()
    (tmp_path / "a.csv").write_bytes(content)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(content))
    for name in ("a.csv", "b.csv.gz"):
        table = read_feature_table(tmp_path / name, not_features={"site"})
        assert (table.ids, table.names, table.values.tolist()) == (["007"], ["f"], [[2.5]])
        assert table.covariates["site"].tolist() == ["1"]


def test_missing_cells_are_missing_and_text_columns_are_covariates(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,group,f,g\na,NA,n/a,1\nb,x,NA,2\nc,y,3,\n")
    table = read_feature_table(path)
    assert table.names == ["f", "g"]
    assert np.isnan(table.values).sum() == 3
    assert table.covariates["group"].tolist() == ["NA", "x", "y"]


def test_a_word_among_numbers_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,f,g\na,1,1\nb,broken,2\nc,3,3\n")
    with pytest.warns(HarmonizeWarning, match="'broken'"):
        assert read_feature_table(path).names == ["g"]
    with pytest.raises(TableError, match=r"data row 2, column 'f'.*'broken'"):
        read_feature_table(path, patterns=["f"])


def test_patterns_choose_features(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,a_1,a_2,b\nx,1,2,3\n")
    assert read_feature_table(path, patterns=["a_*"]).names == ["a_1", "a_2"]
    with pytest.raises(TableError, match="no column matches"):
        read_feature_table(path, patterns=["z*"])


def test_rows_without_ids_get_numbers_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "t.csv", "f,g\n1,2\n3,4\n")
    assert read_feature_table(path).ids == ["row-1", "row-2"]
    assert "--id" in caplog.text


def test_freesurfer_and_enigma_tables_read_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "aseg.tsv", "Measure:volume\tLeft-Amygdala\nsub-01\t1500.5\n")
    assert read_feature_table(path).ids == ["sub-01"]
    path = write(tmp_path / "enigma.csv", "SubjID,L_bankssts_thickavg\nX1,2.5\n")
    assert read_feature_table(path).ids == ["X1"]


def test_covariates_join_by_id_from_another_table(tmp_path: Path) -> None:
    table = read_feature_table(write(tmp_path / "t.csv", "id,f\na,1\nb,2\n"))
    path = write(tmp_path / "p.tsv", "participant_id\tage\nb\t89+\na\t30\nz\t1\n")
    joined = with_covariates(table, read_covariates(path), "t")
    assert joined.number("age").tolist() == [30.0, 89.0]
    with pytest.raises(TableError, match="joined by id"):
        read_covariates(write(tmp_path / "q.csv", "age\n3\n"))


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(
        st.floats(allow_infinity=False, allow_nan=False, width=64), min_size=1, max_size=8
    ),
    ids=st.integers(0, 10**6),
)
def test_numbers_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], ids: int
) -> None:
    folder = tmp_path_factory.mktemp("t")
    index = pd.Index([f"{ids}-{n}" for n in range(len(values))], name="id")
    table = FeatureTable(
        pd.DataFrame({"f": values}, index=index),
        pd.DataFrame({"site": "007"}, index=index, dtype=object),
    )
    delimited, columnar = write_feature_table(table, folder / "features.csv")
    for path in (delimited, columnar):
        again = read_feature_table(path)
        np.testing.assert_array_equal(again.values, table.values)
        assert again.ids == table.ids
        assert again.covariates["site"].tolist() == ["007"] * len(values)


def test_the_sidecar_says_what_each_column_is(table: FeatureTable, tmp_path: Path) -> None:
    """A numeric covariate is not taken for a feature, without being named again."""
    write_feature_table(table, tmp_path / "features.csv", notes=("sex",))
    again = read_feature_table(tmp_path / "features.csv")
    assert again.names == table.names
    assert list(again.covariates.columns) == ["site", "age", "sex"]
    document = json.loads((tmp_path / "features.json").read_text())
    roles = {column["name"]: column["role"] for column in document["columns"]}
    assert (roles["id"], roles["age"], roles["sex"], roles["f00"]) == (
        "id", "covariate", "note", "feature",
    )  # fmt: skip


def test_an_open_quotation_mark_loses_no_row(tmp_path: Path) -> None:
    rows = "".join(f"{n},1.5,{chr(34) + '5 inch' if n == 3 else 'x'}\n" for n in range(10))
    path = write(tmp_path / "t.csv", "id,f,note\n" + rows)
    with pytest.raises(TableError):
        read_feature_table(path)


def test_large_whole_number_ids_keep_every_digit(tmp_path: Path) -> None:
    ids = [2**53 + 1, 2**53 + 3, 2**60 + 1]
    pd.DataFrame({"id": ids, "f": [1.0, 2.0, 3.0]}).to_parquet(tmp_path / "t.parquet")
    assert read_feature_table(tmp_path / "t.parquet").ids == [str(number) for number in ids]


def test_row_numbers_of_other_programs_and_empty_columns_are_no_features(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "f": [1.0, 2.0], "empty": [None, None]})
    frame.to_csv(tmp_path / "t.csv")
    with pytest.warns(HarmonizeWarning, match="row numbers"):
        assert read_feature_table(tmp_path / "t.csv").names == ["f"]


def test_doubtful_names_among_features_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,age,f\na,30,1\nb,40,2\n")
    with pytest.warns(HarmonizeWarning, match="age"):
        assert read_feature_table(path).names == ["age", "f"]
    assert read_feature_table(path, not_features={"age"}).names == ["f"]


def test_writing_spares_inputs_and_foreign_files(table: FeatureTable, tmp_path: Path) -> None:
    raw = tmp_path / "features.csv"
    for name in ("features.csv", "features.parquet", "features.tsv"):
        with pytest.raises(TableError, match="overwrite"):
            require_writable(tmp_path / name, [raw])
    write(tmp_path / "participants.json", '{"age": {"Units": "years"}}')
    with pytest.raises(TableError, match=r"participants\.json"):
        write_feature_table(table, tmp_path / "participants.tsv")
    with pytest.raises(TableError, match="written as"):
        write_feature_table(table, tmp_path / "out.xlsx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["participants.json"]


@pytest.mark.parametrize(
    ("header", "column"),
    [("ID,participant_id,f", "participant_id"), ("ID,Subj,f", "ID"), ("x,CASE_ID,f", "CASE_ID")],
)
def test_the_id_column_is_the_first_of_the_contract(header: str, column: str) -> None:
    assert find_id_column(header.split(","), Path("t.csv")) == column
