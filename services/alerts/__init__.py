"""alerts: alarms → people. What a device's event means, who is told, what they did about it, and what is done when nobody did."""
