"""The one seam between a function and the many cases it is mapped over."""
