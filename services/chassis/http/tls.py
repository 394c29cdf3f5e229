"""A certificate of our own, HTTP's or the gate's: read at the start, and again once somebody has renewed it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final, Self

import structlog

from services.chassis.loop import Loop
from services.chassis.settings import Settings, SettingsError

_log = structlog.get_logger(__name__)

_EVERY_S: Final = 60.0


class ServerTls:
    """`context` for the server. While `loop` runs, a renewed certificate counts for new connections, without a restart.

    A renewed pair is read into a context of its own, which each new connection then takes. One that is in use is never changed: it
    would have the new certificate and no key for a moment, or, of a pair half written, until the next look.
    """

    def __init__(self, certificate: Path, key: Path, way: str = "http") -> None:
        """Of that way, as settings name it. Raises SettingsError when the two cannot be used."""
        self._way = way
        self._files = (certificate, key)
        try:
            self.context = self._current = self._load()
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"TELECARE_{way.upper()}_CERT and TELECARE_{way.upper()}_KEY are not usable ({_said(error)}): "
                "they name a chain of certificates and its key, both PEM, without a passphrase and readable to us"
            ) from None
        self.context.sni_callback = self._take_current  # called of each connection, also of one that names nobody
        self.loop = Loop(f"{way}-certificate", self._renew, every_s=_EVERY_S)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """None where HTTP is to be plain. Raises SettingsError, too, when one of the two settings is missing."""
        if settings.http_cert is None and settings.http_key is None:
            return None
        if settings.http_cert is None or settings.http_key is None:
            raise SettingsError("TELECARE_HTTP_CERT and TELECARE_HTTP_KEY go together: set both, or neither")
        return cls(settings.http_cert, settings.http_key)

    def _load(self) -> ssl.SSLContext:
        self._read = self._times()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return context

    def _take_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._current is not self.context:
            connection.context = self._current

    def _times(self) -> tuple[int, ...]:
        return tuple(each.stat().st_mtime_ns for each in self._files)

    async def _renew(self) -> int:
        await asyncio.to_thread(self._look)
        return 0

    def _look(self) -> None:
        try:
            if self._times() != self._read:
                self._current = self._load()
                _log.info(f"{self._way}_certificate_renewed")
        except (OSError, ssl.SSLError) as error:
            # Half written, most likely: the one in use goes on, and the next look reads both again.
            self._read = ()
            _log.warning(f"{self._way}_certificate_not_renewed", reason=_said(error))


def _said(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
