"""Whether a database URL can be one, said without quoting it: it may hold a password."""

from __future__ import annotations

from urllib.parse import urlsplit

_SCHEMES = ("postgresql", "postgres")
_PORT_MAX = 65535


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
