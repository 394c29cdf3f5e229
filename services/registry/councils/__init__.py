"""Councils: what they told of themselves, and which hubs take their alarms."""
