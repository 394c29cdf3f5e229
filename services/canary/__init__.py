"""The canary: devices that are nobody's press a test pendant every minute, and a hub that is nobody's says when it was told.

Between the two lies the whole way of an alarm: broker, ingest, database, alerts, a hub's channel. It is a process of its own that
knows nothing of the service but the contract's topics, and speaks MQTT through paho: no code with what it tries does it share.
"""
