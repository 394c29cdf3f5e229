"""Commissioning: the evidence that a device works in its home, the list made of it, and what the device is told meanwhile."""

from services.registry.commissioning.evidence import checklist_of

__all__ = ["checklist_of"]
