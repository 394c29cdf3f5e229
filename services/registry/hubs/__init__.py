"""Hubs (alarm receiving centres) and the channels by which they are told of alarms."""
