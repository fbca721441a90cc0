"""The only disk formats: images, tables, models, results."""
