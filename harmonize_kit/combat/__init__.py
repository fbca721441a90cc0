"""ComBat: a feature table in, a fitted harmonizer out, harmonized tables from it."""

from harmonize_kit.combat.block_sums import BlockSums, sum_block
from harmonize_kit.combat.covbat_model import CovBatHarmonizer, FittedCovBat
from harmonize_kit.combat.document import from_document, to_document
from harmonize_kit.combat.estimator import ComBat, CovBat, LongitudinalComBat, NestedComBat
from harmonize_kit.combat.federation import Combination, combine, finish, pooled_harmonizer
from harmonize_kit.combat.federation_documents import (
    describe_combination,
    describe_summary,
    restore_combination,
    restore_summary,
)
from harmonize_kit.combat.fit_from_sums import fit_from_sums, require_sums_suffice
from harmonize_kit.combat.formula import parse_formula
from harmonize_kit.combat.harmonizer import ComBatHarmonizer
from harmonize_kit.combat.kinds import (
    Fitted,
    extrapolated_cases,
    harmonizer_of,
    known_cases,
    named_columns,
    parts_of,
)
from harmonize_kit.combat.longitudinal_model import (
    FittedLongitudinalComBat,
    LongitudinalComBatHarmonizer,
)
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.model_documents import describe, restore
from harmonize_kit.combat.nested import FittedNestedComBat, NestedComBatHarmonizer
from harmonize_kit.combat.neuroharmonize_fit import NeuroHarmonizeHarmonizer
from harmonize_kit.combat.neuroharmonize_import import import_neuroharmonize
from harmonize_kit.combat.setting import Setting, read_setting
from harmonize_kit.combat.site_summary import Summary, summarize
from harmonize_kit.combat.transformer import SiteTransformer, unnamed_features

__all__ = [
    "BlockSums",
    "ComBat",
    "ComBatHarmonizer",
    "Combination",
    "CovBat",
    "CovBatHarmonizer",
    "Fitted",
    "FittedComBat",
    "FittedCovBat",
    "FittedLongitudinalComBat",
    "FittedNestedComBat",
    "LongitudinalComBat",
    "LongitudinalComBatHarmonizer",
    "NestedComBat",
    "NestedComBatHarmonizer",
    "NeuroHarmonizeHarmonizer",
    "Setting",
    "SiteTransformer",
    "Summary",
    "combine",
    "describe",
    "describe_combination",
    "describe_summary",
    "extrapolated_cases",
    "finish",
    "fit_from_sums",
    "from_document",
    "harmonizer_of",
    "import_neuroharmonize",
    "known_cases",
    "named_columns",
    "parse_formula",
    "parts_of",
    "pooled_harmonizer",
    "read_setting",
    "require_sums_suffice",
    "restore",
    "restore_combination",
    "restore_summary",
    "sum_block",
    "summarize",
    "to_document",
    "unnamed_features",
]
