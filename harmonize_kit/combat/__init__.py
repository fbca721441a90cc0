"""ComBat: a feature table in, a fitted harmonizer out, harmonized tables from it."""
