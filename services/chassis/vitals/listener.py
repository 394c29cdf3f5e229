"""Where somebody is met by TLS, and what whoever comes there is shown: by a handshake, as a device, a hub or a browser makes it.

A file that was renewed proves nothing: the broker, the proxy or a service may go on presenting what it read at its start.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self, TypeAlias, get_args
from urllib.parse import parse_qs, urlsplit

from cryptography import x509

Fault: TypeAlias = Literal["unseen", "untrusted", "wrong_name"]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
"""Nobody there speaks TLS; whom it says it is signed by is nobody we trust; it is not for the name by which it is reached."""

_PORTS: Final = {"https": 443, "mqtts": 8883, "postgresql": 5432}
_TIMEOUT_S: Final = 5.0  # for each thing that is waited for
_SSL_REQUEST: Final = bytes((0, 0, 0, 8, 4, 210, 22, 47))  # PostgreSQL's protocol; the answer is S or N
_NOT_THE_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_ENDED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED: the day itself says so


class Look(NamedTuple):
    """`ends_at_s`: seconds since 1970, None where nothing was shown. `fault`: why others refuse it, or None."""

    ends_at_s: float | None
    fault: Fault | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """One to look at. `name`: by which others know it, None where no setting says; `trust`: authorities beside the system's."""

    scheme: str
    host: str
    port: int
    name: str | None = None
    trust: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `mqtts://127.0.0.1:8883?name=telecare.example&trust=/path/of/authority.crt`, or less: scheme and host are enough.

        Raises ValueError saying what to write instead.
        """
        example = "write it like https://telecare.example or mqtts://127.0.0.1:8883?name=telecare.example"
        try:
            parts = urlsplit(text)
            port, query = parts.port, parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError:
            raise ValueError(example) from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.path not in {"", "/"}:
            raise ValueError(f"{example}; schemes are {', '.join(_PORTS)}")
        if unknown := query.keys() - {"name", "trust"}:
            raise ValueError(f"there is no {min(unknown)}: only name and trust may follow the ?")
        trust = query.get("trust")
        return cls(
            parts.scheme,
            parts.hostname,
            port or _PORTS[parts.scheme],
            query.get("name", [parts.hostname])[-1],
            Path(trust[-1]) if trust else None,
        )

    def __str__(self) -> str:
        host = self.name or self.host
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def look(self) -> Look:
        """Go there and see. Waits for some seconds at most, for a server that is well: to be called in a thread."""
        try:
            if self.name is None:
                return Look(self._shown(_whatever()), None)
            try:
                return Look(self._shown(self._as_others_do()), None)
            except ssl.SSLCertVerificationError as error:
                return Look(self._shown(_whatever()), _fault(error.verify_code), error.verify_message)
        except (OSError, ValueError) as error:  # ssl.SSLError is the one, a certificate that nobody can read the other
            return Look(None, "unseen", f"{type(error).__name__}: {error}")

    def _as_others_do(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.trust is not None:
            context.load_verify_locations(self.trust)
        # Newer Pythons ask for more than a device does, and we speak for devices.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def _shown(self, context: ssl.SSLContext) -> float:
        """When the certificate ends that is shown to us."""
        with socket.create_connection((self.host, self.port), timeout=_TIMEOUT_S) as plain:
            if self.scheme == "postgresql":
                plain.sendall(_SSL_REQUEST)
                if plain.recv(1) != b"S":
                    raise OSError("it does not speak TLS")
            with context.wrap_socket(plain, server_hostname=self.name or self.host) as secure:
                shown = secure.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown or b"").not_valid_after_utc.timestamp()


def _whatever() -> ssl.SSLContext:
    """Trusts anybody: nothing is said to them, and nothing of theirs believed but the day."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _fault(code: int) -> Fault | None:
    if code in _NOT_THE_NAME:
        return "wrong_name"
    return None if code == _ENDED else "untrusted"
