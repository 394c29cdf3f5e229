"""Decisions, without clock or socket."""
