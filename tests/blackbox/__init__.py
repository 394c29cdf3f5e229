"""The contract as an outsider meets it: over HTTP, over MQTT and at a webhook. Nothing here imports the project itself."""
