"""Who takes a council's alarms, and how long they are waited for: its hubs, its technical hub, its escalation policy."""
