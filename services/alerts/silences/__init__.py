"""Silences: for a bounded time, alarms of priority 3 to 5 of a device, a district or a council are listed and not told."""

from services.alerts.silences.gauges import EVERY_S, SilenceGauges
from services.alerts.silences.http import routes

__all__ = ["EVERY_S", "SilenceGauges", "routes"]
