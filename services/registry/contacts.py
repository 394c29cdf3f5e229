"""Names and addresses of people at rest: written into the database encrypted, and read there by nobody."""

from __future__ import annotations

import structlog

from services.chassis.secrets import SecretKeyError, Vault

_log = structlog.get_logger(__name__)


class Contacts:
    """A vault for text that outlives a lost key: what can't be read any more is None, to be given again."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, text: str) -> bytes:
        return self._vault.encrypt(text.encode())

    def reveal(self, sealed: bytes | None) -> str | None:
        """The text; None where there is none, or where it was sealed under another TELECARE_SECRET_KEY (logged)."""
        if sealed is None:
            return None
        try:
            return self._vault.decrypt(sealed).decode()
        except SecretKeyError:
            _log.error(
                "contact_unreadable", hint="set TELECARE_SECRET_KEY to the one it was stored under, or give it again"
            )
            return None
