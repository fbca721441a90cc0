"""Quality of images: measures with MRIQC's names, faults of acquisition and storage, flags."""

from harmonize_kit.preprocess.quality.measure import Measured, measure
from harmonize_kit.preprocess.quality.stage import assess_quality
from harmonize_kit.preprocess.quality.table import flag_outliers, quality_table

__all__ = ["Measured", "assess_quality", "flag_outliers", "measure", "quality_table"]
