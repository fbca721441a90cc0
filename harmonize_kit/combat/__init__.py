"""ComBat: a feature table in, a fitted harmonizer out, harmonized tables from it."""

from harmonize_kit.combat.document import KIND, from_document, to_document
from harmonize_kit.combat.estimator import ComBat, unnamed_features
from harmonize_kit.combat.formula import parse_formula
from harmonize_kit.combat.harmonizer import ComBatHarmonizer
from harmonize_kit.combat.model import FittedComBat

__all__ = [
    "KIND",
    "ComBat",
    "ComBatHarmonizer",
    "FittedComBat",
    "from_document",
    "parse_formula",
    "to_document",
    "unnamed_features",
]
