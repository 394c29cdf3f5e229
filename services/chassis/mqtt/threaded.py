"""The end of a client of paho's that runs in a thread of its own."""

from __future__ import annotations

from contextlib import suppress

from paho.mqtt.client import Client


def hang_up(client: Client) -> None:
    """Say goodbye to the broker, and return when the thread has ended.

    Which forgets itself as it ends: paho, having seen it a moment before, asks None to be waited for.
    """
    client.disconnect()
    with suppress(AttributeError):
        client.loop_stop()
