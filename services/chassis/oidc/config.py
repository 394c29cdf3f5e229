"""The settings of an identity provider, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.chassis.oidc.discovery import is_safe
from services.chassis.oidc.grants import Grant
from services.chassis.oidc.provider import Client
from services.chassis.settings import Settings, SettingsError

_TOGETHER: Final = ("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_role_map")
ACCOUNT_CLAIMS: Final = ("preferred_username", "upn", "email")
CALLBACK: Final = "/sign-in/oidc/callback"


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """`name`: what people call it. `public_url`: where browsers find us, and so where the provider sends them back to."""

    issuer: str
    client: Client
    role_map: Mapping[str, Grant]
    name: str
    public_url: str | None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """None when nothing is set. Raises SettingsError when it is set in half, or not safely."""
        missing = [name for name in _TOGETHER if not getattr(settings, name)]
        if len(missing) == len(_TOGETHER):
            return None
        if missing:
            names = ", ".join(f"TELECARE_{name.upper()}" for name in missing)
            raise SettingsError(f"sign-in through an identity provider is set in half: give {names} too")
        assert settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret  # noqa: S101, PT018 - as just seen
        if not is_safe(settings.oidc_issuer):
            raise SettingsError(
                "TELECARE_OIDC_ISSUER must be an https:// address, as the provider's configuration has it"
            )
        return cls(
            issuer=settings.oidc_issuer,
            client=Client(
                settings.oidc_client_id,
                settings.oidc_client_secret.get_secret_value(),
                settings.oidc_scope,
                settings.oidc_role_claims,
                None if settings.oidc_prompt == "none" else settings.oidc_prompt,
            ),
            role_map=settings.oidc_role_map,
            name=settings.oidc_name,
            public_url=settings.public_url,
        )
