"""The settings of this process, and whether anybody would be told of an alarm."""

from __future__ import annotations

import ipaddress
import os

import asyncpg

from services.chassis.postgres.pool import connect
from services.chassis.settings import Settings
from services.cli.doctor.finding import Finding, good, note, wrong

_BOOTSTRAP_LENGTH_MIN = 24


async def examine_installation(settings: Settings) -> list[Finding]:
    return [*_settings(settings), _kept(settings), *await _recipients(settings)]


def _kept(settings: Settings) -> Finding:
    """How long what is about people is kept: nobody should have to look it up."""
    kept = {
        "heartbeats": settings.keep_heartbeats_days,
        "words and raw bytes": settings.keep_text_days,
        "the audit log": settings.keep_audit_days,
    }
    return good("retention", "; ".join(f"{what} {days} days" for what, days in kept.items()))


def _settings(settings: Settings) -> list[Finding]:
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
    if not _is_loopback(settings.http_host):
        advice = "put a reverse proxy with TLS in front and listen on 127.0.0.1: tokens travel in clear otherwise"
        found.append(note("settings", f"HTTP listens on {settings.http_host} without TLS", advice))
    if not os.access(_existing(settings), os.W_OK):
        found.append(
            wrong("settings", f"{settings.data_dir} is not writable", "set TELECARE_DATA_DIR to a directory of ours")
        )
    return found or [good("settings", "in order")]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
