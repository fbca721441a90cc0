"""What was run, on what, with what: digests, the run record, the journal."""
