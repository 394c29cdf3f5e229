"""Devices: their registration, their stages, and the history of both."""
