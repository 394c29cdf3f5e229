"""TLS to the broker."""

import asyncio
import ssl

from services.chassis.mqtt.url import MqttUrl


async def tls_context(url: MqttUrl) -> ssl.SSLContext | None:
    """The system's trust store (or SSL_CERT_FILE) for `mqtts`, None for `mqtt`.

    Read anew for each connection, so that a renewed authority counts; in a thread, for it takes some 20 ms.
    """
    return await asyncio.to_thread(ssl.create_default_context) if url.tls else None
