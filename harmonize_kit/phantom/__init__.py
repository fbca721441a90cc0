"""Data with known truth: feature tables and brain-like volumes, seeded."""

from harmonize_kit.phantom.anatomy import Anatomy, load_anatomy
from harmonize_kit.phantom.contrasts import CONTRASTS, brain_mask, scan_contrasts
from harmonize_kit.phantom.curves import AgeCurves
from harmonize_kit.phantom.head import GREY_MATTER_LABEL, LESION_LABEL, Head, make_head
from harmonize_kit.phantom.heads import ScannedHead, draw_person, simulate_head, simulate_heads
from harmonize_kit.phantom.lesion import LesionTraits
from harmonize_kit.phantom.people import Person
from harmonize_kit.phantom.scanner import noise_free, scan
from harmonize_kit.phantom.tables import TablePhantom, simulate_table

__all__ = [
    "CONTRASTS",
    "GREY_MATTER_LABEL",
    "LESION_LABEL",
    "AgeCurves",
    "Anatomy",
    "Head",
    "LesionTraits",
    "Person",
    "ScannedHead",
    "TablePhantom",
    "brain_mask",
    "draw_person",
    "load_anatomy",
    "make_head",
    "noise_free",
    "scan",
    "scan_contrasts",
    "simulate_head",
    "simulate_heads",
    "simulate_table",
]
