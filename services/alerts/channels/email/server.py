"""Where mail is handed in, and in whose name: TELECARE_SMTP_URL and TELECARE_EMAIL_FROM."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import getaddresses
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from services.chassis.settings import Settings, SettingsError

_PORTS: Final = {"smtp": 587, "smtps": 465}  # RFC 6409, RFC 8314
_LIKE: Final = "smtp://user:password@host:587"


@dataclass(frozen=True, slots=True)
class MailServer:
    """A submission server. Neither str() nor repr() shows the password."""

    host: str
    port: int
    sender: Address
    tls: bool = False  # from the first byte on
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """None when no e-mail is configured. SettingsError, which quotes neither, when it is configured in half or wrongly."""
        if settings.smtp_url is None:
            return None
        if settings.email_from is None:
            raise SettingsError(
                "TELECARE_SMTP_URL is set and TELECARE_EMAIL_FROM is not: give the address that mail comes from"
            )
        sender = address_of(settings.email_from)
        if sender is None:
            raise SettingsError(
                "TELECARE_EMAIL_FROM is no e-mail address: give it like Telecare <telecare@council.example>"
            )
        try:
            return cls.parse(settings.smtp_url.get_secret_value(), sender)
        except ValueError as error:
            raise SettingsError(f"TELECARE_SMTP_URL is not usable: {error}") from None

    @classmethod
    def parse(cls, url: str, sender: Address) -> Self:
        """Read `smtp://user:password@host:587` or `smtps://…`. ValueError, which never quotes it, says what to write."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:  # its message quotes what may be half a password
            raise ValueError(f"write {_LIKE}, and in a password : as %3A, / as %2F, @ as %40") from None
        _check(parts)
        return cls(
            host=parts.hostname or "",
            port=port or _PORTS[parts.scheme],
            sender=sender,
            tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    @property
    def start_tls(self) -> bool:
        """Whether nothing may be said before STARTTLS: no password, and no alarm, goes over a network in the clear."""
        return not self.tls and not _is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


def address_of(text: str) -> Address | None:
    """The one address in `text`, with or without a name before it; None when that is not what it holds.

    Nothing comes through that could end a header or a line of SMTP.
    """
    if not text.isprintable() or len(text) > 320:  # RFC 3696: 64 + 1 + 255
        return None
    found = getaddresses([text])
    if len(found) != 1:
        return None
    name, spec = found[0]
    user, at, domain = spec.rpartition("@")
    if not (user and at and domain and domain.isascii()) or any(each in ' "<>(),:;\\[]@' for each in user + domain):
        return None
    try:
        return Address(display_name=name, username=user, domain=domain)
    except ValueError:
        return None


def _check(parts: SplitResult) -> None:
    if parts.scheme not in _PORTS:
        raise ValueError(f"it starts with smtp:// or, for TLS from the start, smtps://; write {_LIKE}")
    if not parts.hostname:
        raise ValueError(f"it names no host: write {_LIKE}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("nothing may follow the port; in a user name or password write / as %2F, ? as %3F, # as %23")
    if bool(parts.password) != bool(parts.username):
        raise ValueError(f"it has a user or a password alone: write {_LIKE}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
