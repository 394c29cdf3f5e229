"""Where the broker is, and who we are to it."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}  # IANA's


@dataclass(frozen=True, slots=True)
class MqttUrl:
    """A parsed `mqtt://` (or, with TLS, `mqtts://`) address. Neither str() nor repr() shows the password."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `mqtt://user:password@host:1883`; port, user and password may be left out.

        Raises ValueError saying what to write instead. It never quotes the text, which may hold a password.
        """
        parts = _split(text)
        if parts.scheme not in _PORTS:
            raise ValueError(f"an MQTT URL starts with mqtt:// or, for TLS, mqtts://; this one with {parts.scheme!r}")
        if not parts.hostname:
            raise ValueError("the MQTT URL names no host: write mqtt://host:1883")
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError(
                "nothing may follow the port of an MQTT URL; in a user name or password write / as %2F, ? as %3F, "
                "# as %23"
            )
        if parts.password and not parts.username:
            raise ValueError("the MQTT URL has a password but no user: write mqtt://user:password@host:1883")
        return cls(
            host=parts.hostname,
            port=_port(parts),
            tls=parts.scheme == "mqtts",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        user = f"{self.username}@" if self.username else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{user}{host}:{self.port}"


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text.strip())
    except ValueError:  # e.g. an unclosed [; its message quotes the text
        raise ValueError("the MQTT URL cannot be read: write mqtt://user:password@host:1883") from None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:  # its message quotes what may be half a password with a bare / in it
        raise ValueError(
            "the MQTT URL has no valid port: write mqtt://host:1883, and in a password : as %3A, / as %2F, @ as %40"
        ) from None
    return port or _PORTS[parts.scheme]
