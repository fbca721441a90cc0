"""demo --images: phantom heads of two sites, translated by a network, judged with the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harmonize_kit.combat import ComBatHarmonizer
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.translate_fit import Method
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.flows.cohort_images import ImageCohorts, judge_cohort_images
from harmonize_kit.flows.demo_contrasts import (
    AT_SITE,
    COHORTS,
    ONE_SCANNER,
    REFERENCE,
    SITE,
    SPLIT,
    TEST,
    scan_cohort,
)
from harmonize_kit.flows.extract import extract_to_folder
from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.origin import how_made
from harmonize_kit.flows.preprocess import preprocess_to_folder
from harmonize_kit.flows.preprocess_plan import Options
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.flows.translate import (
    ApplyOptions,
    TrainOptions,
    require_torch,
    train_translator,
    translate_cohort,
)
from harmonize_kit.flows.translate_fit import fit_baseline
from harmonize_kit.phantom import CONTRASTS
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.columns import read_text_table, write_text_table

BIOLOGY = ("age", "group")
PRESERVE = " + ".join(BIOLOGY)
PRESET, PARAMS = "cyclegan-phantom", "mr-normalized"
RAW, COMBAT, NETWORK, BOTH, TRUTH = "raw", "combat", "cyclegan", "cyclegan+combat", "one scanner"
# What a network has to be better than, to be worth its training.
BASELINES: tuple[Method, ...] = ("histogram-matching", "atlas-template")
_METHODS = {
    RAW: "Radiomic features of the lesion, each head on the scanner of its site, z-scored.",
    COMBAT: f"The same features after ComBat by site, preserving {PRESERVE}.",
    BOTH: f"Features of the images '{NETWORK}' made, after ComBat by site, preserving {PRESERVE}.",
    TRUTH: f"The same heads, all on the scanner {REFERENCE}: the planted truth.",
}
Say = Callable[[str], None]


def demo_images(
    folder: Path,
    *,
    seed: int = 0,
    subjects: int = 80,
    spacing: float = 3.0,
    config: str = PRESET,
    params: str = PARAMS,
    judging: CompareConfig | None = None,
    execution: ExecutionConfig | None = None,
    say: Say = lambda text: None,
) -> Path:
    """Make a phantom cohort of two sites in ``folder``, translate, extract, judge; return the page.

    The network is trained on some heads and judged on others. Each head of a site is scanned on the
    reference scanner as well: the truth, which nothing but the judge is told.

    Parameters
    ----------
    folder : Path
    seed : int
        Of heads, scanners' noise, networks, folds and draws.
    subjects : int
        At least 24: a third and more are for training, and both groups must be at both sites in
        every fold of the others.
    spacing : float
        Of voxels, in mm.
    config : str
        Preset or file of the training.
    params : str
        Preset or file of the extraction.
    judging : CompareConfig, optional
    execution : ExecutionConfig, optional
    say : callable
        Told what is done, step by step.
    """
    require_torch()
    execution = execution or ExecutionConfig()
    record = RunRecord(
        "demo", {"seed": seed, "subjects": subjects, "translate": config, "extract": params}
    )
    say(f"1/5  scanning {subjects} phantom heads in {len(CONTRASTS)} contrasts on two scanners")
    scan_cohort(folder, subjects=subjects, spacing=spacing, seed=seed, execution=execution)
    cohorts = {name: _normalise(folder, name, execution) for name in COHORTS}
    say("2/5  training networks without pairs on heads that are not judged")
    models = folder / "models"
    # All heads are of one population: what sites differ in beside their scanners is chance.
    options = TrainOptions(site=SITE, reference=REFERENCE, seed=seed, despite_differences=True)
    train_translator(cohorts[AT_SITE], models / NETWORK, options, config)
    for method in BASELINES:
        fit_baseline(
            cohorts[AT_SITE], models / method, method=method, site=SITE, reference=REFERENCE
        )
    say("3/5  translating the other heads")
    raw, truth = (_only_test(cohorts[name]) for name in (AT_SITE, ONE_SCANNER))
    sources = {RAW: raw, TRUTH: truth}
    for name in (*BASELINES, NETWORK):
        translate_cohort(models / name, raw, folder / name, ApplyOptions(site=SITE))
        sources[name] = folder / name / "cohort.csv"
    say("4/5  extracting radiomic features of the lesions")
    tables: dict[str, FeatureTable] = {}
    for name, cohort in sources.items():
        place = folder / f"features_{name.replace(' ', '_')}"
        extract_to_folder(cohort, place, params, execution)
        tables[name] = TableInput(place / "features.csv").read(not_features={SITE, *BIOLOGY})
    say("5/5  judging raw, translated, harmonized and true features, and the images")
    return _judge(folder, sources, tables, judging or CompareConfig(seed=seed), record)


def _judge(
    folder: Path,
    sources: Mapping[str, Path],
    tables: Mapping[str, FeatureTable],
    config: CompareConfig,
    record: RunRecord,
) -> Path:
    raw = tables[RAW]
    combat = ComBatHarmonizer(ComBatConfig(site=SITE, preserve=PRESERVE))
    made = (*BASELINES, NETWORK)
    card = compare(
        {
            RAW: raw,
            COMBAT: combat,
            **{name: tables[name] for name in made},
            BOTH: (tables[NETWORK], combat),
            TRUTH: tables[TRUTH],
        },
        site=SITE, biology=BIOLOGY, table=raw, truth=tables[TRUTH], config=config,
    )  # fmt: skip
    images = ImageCohorts({name: sources[name] for name in (RAW, *made)}, sources[TRUTH])
    judged = judge_cohort_images(images, SITE, None, config, show_ids=True)
    return report(
        card.with_scores(judged.scores),
        folder / "report",
        title="Translated images of the phantom",
        show_ids=True,
        methods=_METHODS | {name: how_made(tables[name]) or name for name in made},
        provenance=record.finish(cases=len(raw.ids), features=len(raw.names)),
        table=raw,
        images=judged.shown,
        image_labels=judged.labels,
        image_regions=judged.regions,
        guards=judged.guards,
    )


def _normalise(folder: Path, name: str, execution: ExecutionConfig) -> Path:
    place = folder / name
    options = Options(stages="zscore", sheets=False)
    preprocess_to_folder(folder / COHORTS[name], place, "brain-mr-t1", execution, options)
    return place / "cohort.csv"


def _only_test(cohort: Path) -> Path:
    """Write the table of the cases no network was trained on, beside the whole one."""
    table = read_text_table(cohort).to_pandas()
    path = cohort.with_name("cohort_test.csv")
    write_text_table(table[table[SPLIT] == TEST], path)
    return path
