"""A volume and its mask in, one row of radiomic features out (PyRadiomics)."""

from harmonize_kit.features.extractor import Engine, FeatureExtractor, RegionFeatures
from harmonize_kit.features.provider import describe_provider

__all__ = ["Engine", "FeatureExtractor", "RegionFeatures", "describe_provider"]
