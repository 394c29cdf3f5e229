"""What more than one service tells Prometheus under one name."""

from typing import Final

MONITORING_BLIND: Final = ("telecare_monitoring_blind", "1 while nobody is known to listen to the devices.")
"""Name and documentation. Ingest says so of what it does, alerts by how far the devices were heard: ingest may be dead."""

CANARY_ROUND_TRIP: Final = (
    "telecare_canary_round_trip_seconds",
    "From the press of a canary's test pendant until its hub was told of it: filled by `telecare canary`, at its own /metrics.",
    ("shard",),
)
"""Name, documentation and labels. The contract lists it, so whoever looks for it at a service finds there where it is."""
