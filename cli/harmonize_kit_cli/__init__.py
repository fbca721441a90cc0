"""The command line of harmonize_kit: arguments, progress and exit codes; no science."""
