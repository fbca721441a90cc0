"""A volume and its mask in, one row of radiomic features out (PyRadiomics)."""

from harmonize_kit.features.extractor import FeatureExtractor, RegionFeatures
from harmonize_kit.features.provider import describe_provider

__all__ = ["FeatureExtractor", "RegionFeatures", "describe_provider"]
