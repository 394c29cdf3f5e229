"""Decisions of the registry: pure, from values to values."""
