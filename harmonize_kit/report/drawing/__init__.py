"""The figures: drawn by matplotlib as SVG, then made fit to stand inside a page."""
