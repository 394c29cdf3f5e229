"""What more than one service tells Prometheus under one name."""

from typing import Final

MONITORING_BLIND: Final = ("telecare_monitoring_blind", "1 while nobody is known to listen to the devices.")
"""Name and documentation. Ingest says so of what it does, alerts by how far the devices were heard: ingest may be dead."""
