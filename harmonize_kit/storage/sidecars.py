"""What may be known of an acquisition: an allow-list of fields, each checked, and nothing else.

Headers carry names, dates and numbers of patients in more fields than any list of forbidden ones
holds, and in free text. So a field passes only if it is named here, has the type and the range
that its meaning gives it, and, where it is text, holds no word that identifies the patient
elsewhere in the same header. Demographic fields (sex, age, weight) are not among them: they belong
into the cohort table, by the decision of whoever keeps it.

References
----------
Field names and units: Brain Imaging Data Structure 1.10, "Magnetic Resonance Imaging" and common
metadata fields; KVP, XRayTubeCurrent and ConvolutionKernel as dcm2niix names them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from harmonize_kit.errors import TableError

Value = str | float
Sidecar = Mapping[str, Value]

# By what a manufacturer's name begins with: one scanner maker must not become two sites.
VENDORS = {
    "siemens": "Siemens", "philips": "Philips", "ge ": "GE", "ge": "GE", "general electric": "GE",
    "canon": "Canon", "toshiba": "Toshiba", "hitachi": "Hitachi", "fujifilm": "Fujifilm",
    "uih": "UIH", "united imaging": "UIH", "bruker": "Bruker", "hyperfine": "Hyperfine",
    "esaote": "Esaote", "marconi": "Marconi", "picker": "Picker", "elscint": "Elscint",
    "neusoft": "Neusoft", "mediso": "Mediso", "varian": "Varian", "paramed": "Paramed",
}  # fmt: skip
LONGEST = 64
PLAIN = re.compile(r"[A-Za-z0-9 ._/+()\\,:;=-]+")
# Dates, and the numbers with many dots that identify studies and devices.
TELLING = re.compile(r"(19|20)\d\d[-./]?[01]\d[-./]?[0-3]\d|\d+(\.\d+){6,}|\d{7,}")


class Number(NamedTuple):
    """A field that holds a number, above ``low`` and up to ``high``."""

    column: str
    low: float
    high: float


class Text(NamedTuple):
    """A field that holds text: one of ``words`` (each part of it, where parts are listed)."""

    column: str
    words: frozenset[str] | None = None


FIELDS: Mapping[str, Number | Text] = {
    "Modality": Text("dicom_modality", frozenset({"MR", "CT", "PT", "NM", "US", "OT"})),
    "Manufacturer": Text("manufacturer"),
    "ManufacturersModelName": Text("model"),
    "SoftwareVersions": Text("software"),
    "MagneticFieldStrength": Number("field_strength", 0.001, 30),
    "MRAcquisitionType": Text("acquisition_type", frozenset({"1D", "2D", "3D"})),
    "ScanningSequence": Text("scanning_sequence", frozenset({"SE", "IR", "GR", "EP", "RM"})),
    "SequenceVariant": Text(
        "sequence_variant",
        frozenset({"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "NONE", "TOF"}),
    ),
    "EchoTime": Number("echo_time", 0, 1),
    "RepetitionTime": Number("repetition_time", 0, 100),
    "InversionTime": Number("inversion_time", 0, 20),
    "FlipAngle": Number("flip_angle", 0, 360),
    "EchoTrainLength": Number("echo_train_length", 0, 10000),
    "PixelBandwidth": Number("pixel_bandwidth", 0, 1e6),
    "SliceThickness": Number("slice_thickness", 0, 200),
    "SpacingBetweenSlices": Number("spacing_between_slices", 0, 200),
    "KVP": Number("kvp", 0, 500),
    "XRayTubeCurrent": Number("tube_current", 0, 5000),
    "ConvolutionKernel": Text("convolution_kernel"),
}
# These belong to the scanner, the others to a sequence on it.
SCANNER = ("Manufacturer", "ManufacturersModelName", "MagneticFieldStrength", "SoftwareVersions")
CONVERSION = ("ConversionSoftware", "ConversionSoftwareVersion")


def allowed(fields: Mapping[str, object], identity: Collection[str] = ()) -> dict[str, Value]:
    """Return the fields that are on the list and are what their names promise.

    Parameters
    ----------
    fields : mapping
        By BIDS name, in the units of BIDS (seconds, tesla, degrees, mm).
    identity : collection of str
        What identifies the patient in the same header; a text that holds one of them is left out.
    """
    found: dict[str, Value] = {}
    for name, rule in FIELDS.items():
        given = fields.get(name)
        if given is None:
            continue
        kept = (
            _number(given, rule) if isinstance(rule, Number) else _text(name, given, rule, identity)
        )
        if kept is not None:
            found[name] = kept
    return found


def read_sidecar(path: Path) -> dict[str, Value]:
    """Return the allowed fields of a JSON sidecar.

    Raises
    ------
    TableError
        If the file is no JSON object.
    """
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"{path.name} is no JSON file; mend or remove it") from error
    if not isinstance(content, dict):
        raise TableError(f"{path.name} holds no JSON object; mend or remove it")
    return allowed(cast(dict[str, object], content))


def sidecar_path(image: Path) -> Path:
    """Return the name of the JSON file that goes with an image."""
    stem = image.name.removesuffix(".gz")
    return image.with_name(stem.rsplit(".", 1)[0] + ".json")


def sidecar_columns(sidecars: Mapping[str, Sidecar]) -> dict[str, str]:
    """Return the columns of a cohort that sidecars give, as text.

    Parameters
    ----------
    sidecars : mapping of str to sidecar
        Of the images of one case, by modality.

    Returns
    -------
    dict of str to str
        What belongs to the scanner once (``manufacturer``, ``model``, ``field_strength``,
        ``software`` and, of the first three, ``scanner``), several values joined by `` | ``;
        what belongs to a sequence with its modality (``echo_time_t1``), without where the modality
        has no name.
    """
    columns: dict[str, str] = {}
    for name in SCANNER:
        values = dict.fromkeys(_plain(s[name]) for s in sidecars.values() if name in s)
        if values:
            columns[FIELDS[name].column] = " | ".join(values)
    parts = [columns.get(key, "") for key in ("manufacturer", "model", "field_strength")]
    if any(parts[:2]):
        parts[2] += "T" * bool(parts[2])
        columns["scanner"] = " ".join(part for part in parts if part)
    for modality, sidecar in sidecars.items():
        for name, rule in FIELDS.items():
            if name in sidecar and name not in SCANNER:
                suffix = f"_{modality}" if modality else ""
                columns[f"{rule.column}{suffix}"] = _plain(sidecar[name])
    return columns


def vendor(text: str) -> str:
    """Return the short name of a manufacturer that is known, else the text as it is."""
    plain = text.strip().lower()
    return next(
        (
            short
            for start, short in VENDORS.items()
            if plain == start.strip() or (plain.startswith(start) and start != "ge")
        ),
        text.strip(),
    )


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _number(given: object, rule: Number) -> float | None:
    if isinstance(given, list) and given:
        given = cast(list[object], given)[0]
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = float(given)
    except ValueError:
        return None
    return number if math.isfinite(number) and rule.low < number <= rule.high else None


def _text(name: str, given: object, rule: Text, identity: Collection[str]) -> str | None:
    if isinstance(given, list):
        given = "\\".join(str(part) for part in cast(list[object], given))
    if not isinstance(given, str):
        return None
    text = " ".join(given.split())
    if name == "Manufacturer" and vendor(text) in VENDORS.values():
        return vendor(text)
    if rule.words is not None:
        return text if all(part.strip() in rule.words for part in text.split("\\")) else None
    if not text or len(text) > LONGEST or not PLAIN.fullmatch(text) or TELLING.search(text):
        return None
    lowered = text.lower()
    return None if any(word.lower() in lowered for word in identity) else text
