"""Where the canary's `/metrics` are served, and by TLS or not."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from services.chassis.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Metered:
    """`certificate` and `key` go together; without them it is plain HTTP."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @contextlib.contextmanager
    def serving(self, registry: CollectorRegistry) -> Iterator[str]:
        """The URL, meanwhile. Raises SettingsError for a certificate that is of no use, OSError when the port is taken."""
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("--cert and --key go together: give both, or neither")
        certificate, key = (None if each is None else str(each) for each in (self.certificate, self.key))
        if certificate is not None:
            self._try(certificate, key)
        server, thread = start_http_server(self.port, self.host, registry, certfile=certificate, keyfile=key)
        try:
            yield f"{'http' if key is None else 'https'}://{self.host}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    @staticmethod
    def _try(certificate: str, key: str | None) -> None:
        """Before there is a socket, which nobody would close."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except OSError as error:  # ssl.SSLError is one
            said = getattr(error, "reason", None) or error.strerror
            raise SettingsError(f"--cert and --key are not usable ({said}): a chain and its key, both PEM") from None
