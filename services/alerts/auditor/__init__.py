"""Looks over everybody's shoulder: that nothing which waits for somebody has waited longer than it ever should."""

from services.alerts.auditor.auditor import EVERY_S, Auditor

__all__ = ["EVERY_S", "Auditor"]
