"""One file a command: read configuration, call rooms, record; only flows know two rooms."""
