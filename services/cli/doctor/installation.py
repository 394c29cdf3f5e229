"""The settings of this process, and whether anybody would be told of an alarm."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from difflib import get_close_matches

import asyncpg
from cryptography import x509

from services.chassis.exposure import exposures
from services.chassis.http import ServerTls
from services.chassis.postgres.pool import connect
from services.chassis.settings import Settings, SettingsError, Way, unknown_settings
from services.cli.doctor.finding import Finding, good, note, wrong

_BOOTSTRAP_LENGTH_MIN = 24
_VARIABLES = [f"TELECARE_{name.upper()}" for name in Settings.model_fields]
_CERTIFICATE_DAYS_MIN = 14


async def examine_installation(settings: Settings) -> list[Finding]:
    return [*examine_settings(settings), _kept(settings), *await _recipients(settings)]


def _kept(settings: Settings) -> Finding:
    """How long what is about people is kept: nobody should have to look it up."""
    kept = {
        "heartbeats": settings.keep_heartbeats_days,
        "words and raw bytes": settings.keep_text_days,
        "the audit log": settings.keep_audit_days,
    }
    return good("retention", "; ".join(f"{what} {days} days" for what, days in kept.items()))


def examine_settings(settings: Settings) -> list[Finding]:
    """What can be seen of them without asking any server."""
    found = []
    if settings.secret_key is None:
        advice = "set TELECARE_SECRET_KEY (openssl rand -base64 32), the same for all processes, and keep a copy apart from backups"
        found.append(note("settings", f"no secret key set: one is kept in {settings.data_dir}", advice))
    token = settings.bootstrap_token
    if token is not None:
        if len(token.get_secret_value()) < _BOOTSTRAP_LENGTH_MIN:
            advice = f"make it at least {_BOOTSTRAP_LENGTH_MIN} random characters, or use `telecare token create`"
            found.append(wrong("settings", "TELECARE_BOOTSTRAP_TOKEN is short enough to be guessed", advice))
        else:
            advice = "take it away once `telecare token create` has made everybody's own"
            found.append(
                note("settings", "TELECARE_BOOTSTRAP_TOKEN is set: an ops token that nobody can revoke", advice)
            )
    found += [wrong("settings", each.what, each.advice) for each in exposures(settings)]
    found += [_unknown(variable) for variable in unknown_settings()]
    found += [_elsewhere(way) for way in settings.tls_elsewhere]
    if (finding := _certificate(settings)) is not None:
        found.append(finding)
    if not os.access(_existing(settings), os.W_OK):
        found.append(
            wrong("settings", f"{settings.data_dir} is not writable", "set TELECARE_DATA_DIR to a directory of ours")
        )
    return found or [good("settings", "in order")]


def _unknown(variable: str) -> Finding:
    """Whoever misspelt one believes that it is in force."""
    near = get_close_matches(variable, _VARIABLES, n=1)
    advice = (
        f"did you mean {near[0]}?" if near else "correct its name, or take it away: docs/operations.md has them all"
    )
    return note("settings", f"{variable} is no setting, and does nothing", advice)


def _elsewhere(way: Way) -> Finding:
    """Said on purpose, and to be read again by whoever looks after the installation later."""
    advice = {
        "http": "a reverse proxy is to end TLS, and nobody else to reach our port: see the firewall",
        "broker": "a VPN, or a network of this host's alone, is to protect the way to the broker",
        "database": "a VPN, or a network of this host's alone, is to protect the way to the database",
    }[way]
    return note("settings", f"TELECARE_TLS_ELSEWHERE says that {way} is protected by something else", advice)


def _certificate(settings: Settings) -> Finding | None:
    """HTTP's own: usable, and for how long."""
    try:
        tls = ServerTls.from_settings(settings)
    except SettingsError as error:
        return wrong("settings", str(error), "correct the setting: the service does not start with it")
    if tls is None or settings.http_cert is None:
        return None
    ends = x509.load_pem_x509_certificates(settings.http_cert.read_bytes())[0].not_valid_after_utc
    days = (ends - datetime.now(UTC)).days
    if days < _CERTIFICATE_DAYS_MIN:
        return wrong(
            "settings",
            f"the certificate of HTTP is good until {ends:%Y-%m-%d}, for {days} days",
            "renew it: the new files are read within a minute, without a restart",
        )
    return good("settings", f"the certificate of HTTP is good until {ends:%Y-%m-%d}")


def _existing(settings: Settings) -> str:
    path = settings.data_dir
    while not path.exists():
        path = path.parent
    return str(path)


async def _recipients(settings: Settings) -> list[Finding]:
    """An alarm that reaches nobody is the worst outcome of all."""
    try:
        connection = await connect(settings.database_url.get_secret_value(), name="doctor", role="telecare_alerts")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError):
        return []  # the database's own findings say so
    try:
        usable = {
            row["hub_id"]
            for row in await connection.fetch(
                "select distinct hub_id from registry.channel_directory where verified_at is not null"
            )
        }
        routes = await connection.fetch("select council_id, hub_id from registry.route_directory")
        councils = await connection.fetchval("select count(*) from registry.council_directory")
    except asyncpg.PostgresError:
        return []
    finally:
        await connection.close()
    found = []
    if not usable:
        advice = "PUT /api/v1/hubs/{id} with a channel, and verify it: until then no alarm reaches anybody"
        return [wrong("hubs", "no hub has a verified channel", advice)]
    routed = {row["council_id"] for row in routes if row["hub_id"] in usable}
    if len(routed) < councils:
        advice = (
            "PUT /api/v1/councils/{id}/routing; until then alarms from there go to the fallback hub, or to every hub"
        )
        found.append(
            note("hubs", f"{councils - len(routed)} of {councils} councils have no route to a usable hub", advice)
        )
    if settings.fallback_hub is not None and settings.fallback_hub not in usable:
        advice = "set TELECARE_FALLBACK_HUB to a hub with a verified channel"
        found.append(
            wrong("hubs", f"the fallback hub {settings.fallback_hub!r} is unknown or has no verified channel", advice)
        )
    return found or [good("hubs", f"{len(usable)} hub(s) with a verified channel; every council has a route")]
