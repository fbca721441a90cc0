"""Pictures of preprocessed cases: a sheet for each, and an index to page through them."""

from harmonize_kit.preprocess.sheets.bias_row import fields_between
from harmonize_kit.preprocess.sheets.content import IndexEntry, SheetContent
from harmonize_kit.preprocess.sheets.index_page import make_index
from harmonize_kit.preprocess.sheets.sheet import make_sheet, make_thumbnail

__all__ = [
    "IndexEntry", "SheetContent", "fields_between", "make_index", "make_sheet", "make_thumbnail",
]  # fmt: skip
