"""Harmonization of multi-scanner imaging studies: extract, fit and apply, judge."""
