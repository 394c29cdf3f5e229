"""Where a hub keeps its own record of a home: a URL with a place for `installation_ref`, which an operator opens."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

PLACEHOLDER: Final = "{installation_ref}"
_LENGTH_MAX: Final = 2048


def template_fault(template: str) -> str | None:
    """What is wrong with a `record_url_template`, or None. It is opened by the operator's browser, so any network will do."""
    if len(template) > _LENGTH_MAX or not template.isascii() or not template.isprintable() or " " in template:
        return f"not a URL: at most {_LENGTH_MAX:,} printable ASCII characters, without spaces"
    if PLACEHOLDER not in template:
        return f"it needs {PLACEHOLDER} where the hub's reference of the home belongs: https://arc.example/homes/{PLACEHOLDER}"
    if set(template.replace(PLACEHOLDER, "")) & {"{", "}"}:
        return f"{PLACEHOLDER} is the only placeholder there is"
    return _place_fault(template)


def _place_fault(template: str) -> str | None:
    try:
        parts = urlsplit(template)
        host, _ = parts.hostname, parts.port  # `port` raises for what is none
    except ValueError:
        return "not a URL"
    if parts.scheme not in {"https", "http"} or not host:
        return "a record is at an https:// (or http://) URL with a host"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user or password is not taken: every operator would see it"
    if PLACEHOLDER in parts.netloc:
        return f"{PLACEHOLDER} belongs in the path or the query: the host is the hub's own"
    return None
