"""Pure decisions of ingest: what a message says. No clock, no socket, no SQL, no log."""
