"""The feature dictionary: its grammar, its units, and that the manual's table is what it says."""

from __future__ import annotations

import re

import feature_document
import pytest

from harmonize_kit.core.feature_definitions import DEFINITIONS
from harmonize_kit.core.feature_dictionary import describe_feature, feature_dictionary


@pytest.mark.parametrize(
    ("name", "modality", "image", "unit"),
    [
        ("original_shape_MeshVolume", "", "original", "mm^3"),
        ("t1_original_firstorder_Mean", "t1", "original", "intensity"),
        ("t1_gad_wavelet2-HHL_firstorder_Variance", "t1_gad", "wavelet2-HHL", "intensity^2"),
        ("original_t2_original_glcm_Id", "original_t2", "original", "1"),
        ("log-sigma-0-5-mm-3D_firstorder_TotalEnergy", "", "log-sigma-0-5-mm-3D",
         "intensity^2 mm^3"),
        ("gradient_firstorder_Mean", "", "gradient", "intensity/mm"),
        ("gradient_firstorder_TotalEnergy", "", "gradient", "(intensity/mm)^2 mm^3"),
        ("lbp-3D-m1_firstorder_TotalEnergy", "", "lbp-3D-m1", "mm^3"),
        ("lbp-2D_firstorder_Mean", "", "lbp-2D", "1"),
        ("squareroot_ngtdm_Busyness", "", "squareroot", "1"),
    ],
)  # fmt: skip
def test_a_name_is_taken_apart(name: str, modality: str, image: str, unit: str) -> None:
    found = describe_feature(name)
    assert found is not None
    assert (found.name, found.modality, found.filter, found.unit) == (name, modality, image, unit)
    assert found.name.endswith(f"{found.filter}_{found.family}_{found.feature}")


@pytest.mark.parametrize(
    "name",
    [
        "", "age", "lh_bankssts_thickness", "original_shape_Volume", "original_glcm_Mean",
        "wavelet-HHL_shape_MeshVolume", "originalshape_MeshVolume", "original_shape_MeshVolume ",
        "t1original_firstorder_Mean", "log-sigma-mm-3D_firstorder_Mean",
    ],
)  # fmt: skip
def test_what_pyradiomics_does_not_make_is_not_described(name: str) -> None:
    assert describe_feature(name) is None


def test_every_entry_is_found_by_its_own_name() -> None:
    listed = feature_dictionary()
    assert len(listed) == len({entry.name for entry in listed}) == 121
    for entry in listed:
        assert describe_feature(entry.name) == entry


def test_a_code_belongs_to_one_feature_and_each_lack_of_one_has_a_reason() -> None:
    entries = [entry for family in DEFINITIONS.values() for entry in family]
    codes = [entry.code for entry in entries if entry.code]
    assert len(codes) == len(set(codes))
    for entry in entries:
        assert bool(entry.code) == bool(entry.name), entry
        assert entry.code or entry.note, entry
        assert not entry.code or re.fullmatch(r"[0-9A-Z]{4}", entry.code), entry


def test_codes_are_those_of_the_dicom_standard() -> None:
    concepts = pytest.importorskip("pydicom.sr._concepts_dict").concepts["IBSI"]
    standard = {code: meaning[0] for entry in concepts.values() for code, meaning in entry.items()}
    # The standard leaves out the statistics of intensities that are not discretised.
    known = [entry for entry in feature_dictionary() if entry.ibsi_code in standard]
    assert len(known) >= 85
    for entry in known:
        meaning, own = _words(standard[entry.ibsi_code]), _words(entry.ibsi_name)
        assert len(meaning & own) >= len(own) / 2, (entry.ibsi_name, meaning)


def _words(name: str) -> set[str]:
    """Significant words of a feature name; DICOM and IBSI spell some of them differently."""
    spelt = name.lower().replace("non-uniformity", "nonuniformity").replace("gray", "grey")
    spelt = spelt.replace("normalised", "normalized").replace("runs", "run")
    small = {"of", "in", "the", "a", "and", "glcm", "ngtdm", "ngldm", "intensity"}
    return set(re.findall(r"[a-z0-9]+", spelt)) - small


def test_the_document_lists_the_dictionary_as_it_is() -> None:
    assert feature_document.DOCUMENT.read_text(encoding="utf-8") == feature_document.document()
