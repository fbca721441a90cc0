"""Presets of harmonize_kit as YAML files, one folder a command."""
