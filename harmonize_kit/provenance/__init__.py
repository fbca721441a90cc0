"""What was run, on what, with what: the run record, the journal."""

from harmonize_kit.provenance.journal import Journal
from harmonize_kit.provenance.record import RunRecord, versions

__all__ = ["Journal", "RunRecord", "versions"]
