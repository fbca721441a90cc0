"""Data with known truth: feature tables and brain-like volumes, seeded."""
