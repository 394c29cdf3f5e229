"""Whether a database URL can be one, said without quoting it: it may hold a password."""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_SCHEMES = ("postgresql", "postgres")
_PORT_MAX = 65535
_PORT = 5432
_BY_TLS = ("require", "verify-ca", "verify-full")


class DatabaseUrlError(ValueError):
    """This is no database's URL. The message says what to write instead, and quotes nothing of it."""


def check_database_url(text: str) -> None:
    """Raise DatabaseUrlError unless asyncpg can read it. Several hosts, as in `h1:5432,h2:5432`, are its business.

    asyncpg's own message quotes what it took for a port: half a password with a bare `/`, `?` or `#` in it.
    """
    try:
        parts = urlsplit(text)
    except ValueError:  # e.g. an unclosed [; its message quotes the text
        raise DatabaseUrlError("write it like postgresql://user:password@host:5432/telecare") from None
    if parts.scheme not in _SCHEMES:
        raise DatabaseUrlError("it starts with postgresql://, like postgresql://user:password@host:5432/telecare")
    for address in parts.netloc.rpartition("@")[2].split(","):
        port = address.rpartition("]")[2].partition(":")[2]
        if port and not (port.isascii() and port.isdigit() and int(port) <= _PORT_MAX):
            raise DatabaseUrlError(
                "no valid port follows the host; in a password write : as %3A, / as %2F, ? as %3F, # as %23"
            )


class TlsServer(NamedTuple):
    """A server that is reached by TLS. `verified`: its name is looked at; `authority`: a file of those who may sign for it."""

    host: str
    port: int
    verified: bool
    authority: str | None


def servers_by_tls(text: str) -> list[TlsServer]:
    """Those of a URL that is sound, where it says that TLS there must be. A service file's are not known to us."""
    parts = urlsplit(text)
    query = parse_qs(parts.query)
    sslmode = query.get("sslmode", [os.environ.get("PGSSLMODE", "")])[-1]
    authority = query.get("sslrootcert", [os.environ.get("PGSSLROOTCERT")])[-1]
    if sslmode not in _BY_TLS or "service" in query:
        return []
    addresses = parts.netloc.rpartition("@")[2] or query.get("host", [""])[-1]
    found = (_address(unquote(each)) for each in addresses.split(",") if each)
    return [TlsServer(host, port, sslmode == "verify-full", authority) for host, port in found if host[0] != "/"]


def _address(text: str) -> tuple[str, int]:
    """`[::1]:5433` → `::1` and 5433."""
    parts = urlsplit(f"//{text}") if not text.startswith("/") else None
    return (text, _PORT) if parts is None or not parts.hostname else (parts.hostname, parts.port or _PORT)
