"""ComBat: a feature table in, a fitted harmonizer out, harmonized tables from it."""

from harmonize_kit.combat.covbat_model import CovBatHarmonizer, FittedCovBat
from harmonize_kit.combat.document import from_document, to_document
from harmonize_kit.combat.estimator import ComBat, CovBat, LongitudinalComBat, NestedComBat
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
from harmonize_kit.combat.transformer import SiteTransformer, unnamed_features

__all__ = [
    "ComBat",
    "ComBatHarmonizer",
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
    "SiteTransformer",
    "describe",
    "extrapolated_cases",
    "from_document",
    "harmonizer_of",
    "known_cases",
    "named_columns",
    "parse_formula",
    "parts_of",
    "restore",
    "to_document",
    "unnamed_features",
]
