"""Our account with GOV.UK Notify: TELECARE_NOTIFY_URL, _API_KEY and _TEMPLATE_ID."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit

import jwt

from services.chassis.settings import Settings, SettingsError

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY: Final = re.compile(rf"(?:.*-)?({_UUID})-({_UUID})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NotifyAccount:
    """Where the API is, who we are to it, and the template whose one field, `message`, is all of a text."""

    url: str
    service_id: str
    secret: str = field(repr=False)
    template_id: str

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """None when texts are not configured. SettingsError, which quotes no key, when they are in half or wrongly."""
        if settings.notify_api_key is None:
            return None
        if settings.notify_url is None:
            raise SettingsError(
                "TELECARE_NOTIFY_API_KEY is set and TELECARE_NOTIFY_URL is not: give the base URL of GOV.UK Notify's API"
            )
        if settings.notify_template_id is None:
            raise SettingsError(
                "TELECARE_NOTIFY_API_KEY is set and TELECARE_NOTIFY_TEMPLATE_ID is not: give the id of a text message "
                "template that holds ((message))"
            )
        key = _KEY.fullmatch(settings.notify_api_key.get_secret_value().strip())
        if key is None:
            raise SettingsError(
                "TELECARE_NOTIFY_API_KEY is no API key: it is a name, the service's id and the secret, joined by hyphens"
            )
        return cls(_base(settings.notify_url), key[1], key[2], str(settings.notify_template_id))

    def token(self, now: datetime) -> str:
        """What a request of `now` is signed with; Notify takes it for 30 seconds."""
        return jwt.encode({"iss": self.service_id, "iat": int(now.timestamp())}, self.secret, algorithm="HS256")


def _base(url: str) -> str:
    """Raises SettingsError: numbers of people go there, so only with TLS."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.hostname and not (parts.query or parts.fragment or parts.username or parts.port == 0)
    except ValueError:
        usable = None
    if not usable or parts.scheme not in {"http", "https"}:
        raise SettingsError("TELECARE_NOTIFY_URL is not usable: write https://host, without a query or a user")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise SettingsError("TELECARE_NOTIFY_URL is not usable: it must start with https://")
    return url.strip().rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
