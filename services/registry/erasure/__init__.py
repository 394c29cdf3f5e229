"""What is about a person, erased on request: here at once, in ingest and alerts as soon as they may."""
