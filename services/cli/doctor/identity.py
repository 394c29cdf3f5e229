"""Who signs in, and how: the identity provider, what its groups mean here, and the way there and back."""

from __future__ import annotations

from urllib.parse import urlsplit

import asyncpg

from services.chassis.clock import DatabaseClock
from services.chassis.oidc.config import CALLBACK, OidcConfig
from services.chassis.oidc.errors import OidcError
from services.chassis.oidc.provider import Provider
from services.chassis.postgres.pool import connect
from services.chassis.settings import Settings, SettingsError
from services.cli.doctor.finding import Finding, good, note, wrong

_AREA = "sign-in"
# Of hubs ($1) and councils ($2), those that the registry does not know.
_UNKNOWN = """
select 'hub' as kind, wanted.id from unnest($1::text[]) as wanted(id)
where not exists (select from registry.hub_directory h where h.hub_id = wanted.id)
union all
select 'council', wanted.id from unnest($2::text[]) as wanted(id)
where not exists (select from registry.council_directory c where c.council_id = wanted.id)
"""


async def examine_identity(settings: Settings) -> list[Finding]:
    """Nobody is signed in, and the client's secret is not tried: a provider takes it with a code only."""
    try:
        config = OidcConfig.from_settings(settings)
    except SettingsError as error:
        return [wrong(_AREA, str(error), "correct the setting: the service does not start with it")]
    if config is None:
        advice = "set TELECARE_OIDC_ISSUER, …_CLIENT_ID, …_CLIENT_SECRET and …_ROLE_MAP, or go on with tokens"
        return [note(_AREA, "no identity provider is configured: people sign in with tokens", advice)]
    return [
        await _provider(config, settings),
        _way_back(config),
        *_refreshing(config),
        *await _unknown(config, settings),
        *_behind_a_proxy(settings),
    ]


async def _provider(config: OidcConfig, settings: Settings) -> Finding:
    provider = Provider(config.issuer, config.client, DatabaseClock())
    try:
        metadata = await provider.discovery.metadata()
        keys = await provider.discovery.keys()
    except OidcError as error:
        return wrong(
            _AREA,
            f"the identity provider can't be used: {error}",
            "look at TELECARE_OIDC_ISSUER, and at the way from here to it; until then only tokens let people in",
        )
    finally:
        await provider.close()
    methods = metadata.get("code_challenge_methods_supported")
    if methods is not None and "S256" not in methods:
        return wrong(_AREA, "the identity provider knows no PKCE with S256", "use one that does: it protects the codes")
    return good(_AREA, f"the identity provider answers, with {len(keys.keys)} key(s); {settings.oidc_name}")


def _way_back(config: OidcConfig) -> Finding:
    if config.public_url is None:
        return wrong(
            _AREA,
            "TELECARE_PUBLIC_URL is not set: the provider can send people back to this machine alone",
            "set it to the https:// address at which browsers find the service",
        )
    parts = urlsplit(config.public_url)
    if parts.scheme != "https":
        return wrong(_AREA, "TELECARE_PUBLIC_URL is no https:// address: no browser keeps a sign-in", "use https")
    back = f"{parts.scheme}://{parts.netloc}{CALLBACK}"
    return good(_AREA, f"the provider must know this redirect URI, to the letter: {back}")


def _refreshing(config: OidcConfig) -> list[Finding]:
    if "offline_access" in config.client.scope.split():
        return []
    advice = "add offline_access to TELECARE_OIDC_SCOPE, unless the provider gives refresh tokens without it"
    return [note(_AREA, "without a refresh token a sign-in lasts an hour, and not a shift", advice)]


async def _unknown(config: OidcConfig, settings: Settings) -> list[Finding]:
    """Names in the role map that nobody has: whoever has such a role sees nothing."""
    hubs = sorted({grant.hub for grant in config.role_map.values() if grant.hub})
    councils = sorted({each for grant in config.role_map.values() for each in grant.councils or ()})
    try:
        connection = await connect(settings.database_url.get_secret_value(), name="doctor")
        try:
            unknown = await connection.fetch(_UNKNOWN, hubs, councils)
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return []  # what is wrong with the database is said elsewhere
    names = ", ".join(f"{row['kind']} {row['id']}" for row in unknown)
    if not names:
        return [good(_AREA, f"{len(config.role_map)} group(s) have a role here")]
    return [
        wrong(_AREA, f"TELECARE_OIDC_ROLE_MAP names what there is not: {names}", "whoever has that role sees nothing")
    ]


def _behind_a_proxy(settings: Settings) -> list[Finding]:
    if settings.trusted_proxies or settings.http_host not in {"127.0.0.1", "::1", "localhost"}:
        return []
    return [
        note(
            _AREA,
            "TELECARE_TRUSTED_PROXIES is not set: all strangers behind a proxy count as one address",
            "set it to the proxy's address, as 127.0.0.1/32, if it sets X-Forwarded-For itself",
        )
    ]
