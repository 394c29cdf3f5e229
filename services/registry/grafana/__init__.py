"""Grafana's own login at the database: it reads three views of figures, and nothing of a person."""

from services.registry.grafana.login import LoginRefusedError, give_login, scram_verifier

__all__ = ["LoginRefusedError", "give_login", "scram_verifier"]
