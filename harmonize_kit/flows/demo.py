"""demo: a phantom cohort through the whole flow, with the truth beside the estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonize_kit.combat import ComBatHarmonizer
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.phantom import HeadPhantomConfig
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import HarmonizeError
from harmonize_kit.execution import Failed, map_cases
from harmonize_kit.flows.extract import extract_to_folder
from harmonize_kit.flows.fit import fit
from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.output_folder import make_writable
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.phantom import LESION_LABEL, simulate_head
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.columns import read_text_table, write_text_table
from harmonize_kit.storage.images import read_image, read_mask, write_image, write_mask

BIOLOGY = ("age", "sex", "group")
PRESERVE = " + ".join(BIOLOGY)
RAW, COMBAT, TRUTH = "raw", "combat", "one scanner"
Say = Callable[[str], None]


@dataclass(frozen=True)
class HeadWork:
    """One head to be scanned and written, as plain data for a worker."""

    config: HeadPhantomConfig
    seed: int
    index: int
    folder: str


def demo(
    folder: Path,
    *,
    seed: int = 0,
    subjects: int = 80,
    execution: ExecutionConfig | None = None,
    say: Say = lambda text: None,
) -> Path:
    """Make a phantom cohort in ``folder``, extract, harmonize and judge it; return the report.

    Every head is scanned at its site and also on one common scanner. The second table is what a
    perfect harmonization would give, up to the noise of a scan.

    Parameters
    ----------
    folder : Path
    seed : int
        Of heads, scanners' noise, folds and draws.
    subjects : int
        At least 40, so that each of the four sites has ten.
    execution : ExecutionConfig, optional
    say : callable
        Told what is done, step by step.
    """
    execution = execution or ExecutionConfig()
    heads = HeadPhantomConfig(subjects=subjects)
    record = RunRecord("demo", {"seed": seed, "phantom": heads.model_dump(mode="json")})
    say(f"1/4  scanning {subjects} phantom heads with a lesion on {len(heads.scanners)} scanners")
    _scan_heads(heads, seed, folder, execution)
    say("2/4  extracting radiomic features of the lesions")
    for name in ("features", "features_one_scanner"):
        cohort = folder / ("cohort.csv" if name == "features" else "cohort_one_scanner.csv")
        extract_to_folder(cohort, folder / name, execution=execution)
    say(f"3/4  fitting ComBat by site, preserving {PRESERVE}")
    source = TableInput(folder / "features" / "features.csv")
    config = ComBatConfig(site="site", preserve=PRESERVE)
    model = fit(source, folder / "model", config, harmonized=folder / "harmonized.csv")
    say("4/4  judging raw, harmonized and true features")
    raw = source.read(not_features={"site", *BIOLOGY})
    truth = TableInput(folder / "features_one_scanner" / "features.csv").read()
    card = compare(
        {RAW: raw, COMBAT: ComBatHarmonizer(config), TRUTH: truth},
        site="site", biology=BIOLOGY, table=raw, truth=truth, config=CompareConfig(seed=seed),
    )  # fmt: skip
    harmonized = TableInput(folder / "harmonized.csv").read()
    return report(
        card,
        folder / "report",
        title="Site-effect report of the phantom",
        show_ids=True,
        truth=truth_beside_estimate(card, {RAW: raw, COMBAT: harmonized}, truth),
        provenance=record.finish(cases=len(raw.ids), features=len(raw.names)),
        methods={
            RAW: "Radiomic features of the lesion, each head on the scanner of its site.",
            COMBAT: f"The same features after ComBat by site, preserving {PRESERVE}.",
            TRUTH: f"The same heads, all on the scanner {heads.reference}: the planted truth.",
        },
        models={COMBAT: model},
        table=raw,
        images=images_of_sites(folder),
        image_labels=("scanner of the site", "one scanner"),
    )


def images_of_sites(folder: Path) -> dict[str, tuple[Volume, Volume]]:
    """Return the first head of each site, as its own scanner and as the common one shows it."""
    found: dict[str, tuple[Volume, Volume]] = {}
    first: dict[str, dict[str, Any]] = {}
    for row in read_text_table(folder / "cohort.csv").to_pylist():
        first.setdefault(row["site"], row)
    for row in first.values():
        case = str(row["id"])
        scanned, reference = (
            read_image(folder / "images" / f"{case}_{name}.nii.gz")
            for name in ("scanned", "reference")
        )
        mask = read_mask(folder / str(row["Mask"]))
        found[f"{row['site']}, {case}"] = (scanned.with_mask(mask), reference)
    return found


def truth_beside_estimate(
    card: Scorecard, tables: dict[str, FeatureTable], truth: FeatureTable
) -> pd.DataFrame:
    """Return what one scanner measures beside what the candidates give, one row a quantity.

    Distances are between the same heads, in units of the feature's standard deviation on the one
    scanner, as the median over features.
    """
    rows: list[dict[str, Any]] = []
    quantities = [
        ("site_partial_eta_squared_median", "Site effect (partial eta squared, median)"),
        ("site_balanced_accuracy_linear", "Site told from features (balanced accuracy)"),
    ]
    for metric, name in quantities:
        rows.append({"quantity": name} | _values(card, metric, "site", tables))
    for covariate in BIOLOGY:
        name = f"Effect of {covariate} (absolute, median over features)"
        rows.append({"quantity": name} | _values(card, "association_median", covariate, tables))
    spread = truth.features.std().to_numpy()
    varies = spread > 0
    distance: dict[str, Any] = {"quantity": "Distance from the same heads on one scanner (SD)"}
    alike: dict[str, Any] = {"quantity": "Correlation with the same heads on one scanner"}
    distance["planted"], alike["planted"] = 0.0, 1.0
    for name, table in tables.items():
        same = table.features.loc[truth.ids, truth.names]
        apart = np.sqrt(((same - truth.features) ** 2).mean().to_numpy())[varies] / spread[varies]
        distance[name] = float(np.median(apart))
        alike[name] = float(np.median(same.corrwith(truth.features).to_numpy()[varies]))
    return pd.DataFrame([*rows, distance, alike])


def _values(
    card: Scorecard, metric: str, target: str, tables: dict[str, FeatureTable]
) -> dict[str, Any]:
    found = {name: card.find(name, metric, target) for name in (TRUTH, *tables)}
    values = {name: None if score is None else score.value for name, score in found.items()}
    return {"planted": values[TRUTH]} | {name: values[name] for name in tables}


def _scan_heads(
    config: HeadPhantomConfig, seed: int, folder: Path, execution: ExecutionConfig
) -> None:
    make_writable(folder / "images")
    items = [
        (str(index), HeadWork(config, seed, index, str(folder))) for index in range(config.subjects)
    ]
    rows: dict[str, dict[str, str]] = {}
    for outcome in map_cases(scan_head, items, execution):
        if isinstance(outcome, Failed):
            raise HarmonizeError(f"phantom head {outcome.id}: {outcome.message}")
        rows[outcome.id] = outcome.value
    frame = pd.DataFrame([rows[key] for key, _ in items], dtype=object)
    for name, column in (("cohort.csv", "scanned"), ("cohort_one_scanner.csv", "reference")):
        kept = frame.drop(columns=["scanned", "reference"])
        kept.insert(1, "Image", frame[column])
        write_text_table(kept, folder / name)


def scan_head(work: HeadWork) -> dict[str, str]:
    """Scan one head at its site and on the common scanner, and return its row of the cohort."""
    head = simulate_head(work.config, work.seed, work.index)
    folder = Path(work.folder) / "images"
    row = {"id": head.id, "Mask": f"images/{head.id}_lesion.nii.gz", **head.covariates}
    for name, volume in (("scanned", head.volume), ("reference", head.reference)):
        row[name] = f"images/{head.id}_{name}.nii.gz"
        # Whole numbers of 16 bits, as scanners store them.
        stored = volume.with_array(np.rint(volume.array).astype(np.int16))
        write_image(stored, folder / Path(row[name]).name)
    write_mask(_lesion(head.volume), folder / Path(row["Mask"]).name)
    return row


def _lesion(volume: Volume) -> Volume:
    assert volume.mask is not None
    return Volume(volume.array, volume.geometry, (volume.mask == LESION_LABEL).astype(np.uint8))
