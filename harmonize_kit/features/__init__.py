"""A volume and its mask in, one row of radiomic features out (PyRadiomics)."""
