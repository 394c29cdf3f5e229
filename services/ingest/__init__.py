"""Devices → database: decode, store, acknowledge, receipt, liveness. What it stores of alarms it tells alerts, by the event log."""
