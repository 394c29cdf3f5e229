"""Half of a large fleet falls silent at once, and returns."""
