"""What the settings would show to a network: passwords, tokens and alarms in clear, or a door that stands open.

Loopback needs nothing. Beyond it each of the three ways (HTTP, broker, database) has TLS and asks who is there, or the person who
installs says in TELECARE_TLS_ELSEWHERE that something else protects that way: a reverse proxy, a VPN.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from services.chassis.mqtt.url import MqttUrl
from services.chassis.postgres.url import DatabaseUrlError, check_database_url
from services.chassis.settings import Settings, SettingsError, Way

_ELSEWHERE = "TELECARE_TLS_ELSEWHERE"


@dataclass(frozen=True, slots=True)
class Exposure:
    """`what` is exposed, by which setting, and `advice`: what to set. Neither repeats a URL, which may hold a password."""

    what: str
    advice: str


def protected(settings: Settings, *, own_users: bool = False) -> Settings:
    """These settings again, if nothing of theirs shows on a network. Raises SettingsError naming everything that would.

    `own_users`: whoever connects to the broker has a user of its own, which TELECARE_MQTT_URL does not name.
    """
    refuse(exposures(settings, own_users=own_users))
    return settings


def refuse(found: Iterable[Exposure]) -> None:
    """Raises SettingsError naming each, if there is one."""
    if said := "; ".join(f"{each.what}: {each.advice}" for each in found):
        raise SettingsError(said)


def exposures(settings: Settings, *, own_users: bool = False) -> list[Exposure]:
    """Everything that would show. A URL that cannot be read is others' to tell."""
    found = [_http(settings), _broker(settings, own_users=own_users), _database(settings)]
    if settings.mqtt_admin_url is not None:
        admin_url = settings.mqtt_admin_url.get_secret_value()
        found.append(mqtt_exposure("TELECARE_MQTT_ADMIN_URL", admin_url, settings.tls_elsewhere))
    return [each for each in found if each is not None]


def is_loopback(host: str) -> bool:
    """Whether that name or address never leaves this machine; a name is taken at its word only if it is `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _http(settings: Settings) -> Exposure | None:
    if http_is_safe(settings.http_host, tls=settings.http_cert is not None, elsewhere=settings.tls_elsewhere):
        return None
    return Exposure(
        "TELECARE_HTTP_HOST is beyond loopback, and there is no TLS: tokens would travel in clear",
        "set TELECARE_HTTP_CERT and TELECARE_HTTP_KEY; or listen on 127.0.0.1 behind a reverse proxy on this host; "
        f"or, where a reverse proxy elsewhere ends TLS and nobody else reaches that address, {_ELSEWHERE}=http",
    )


def http_is_safe(host: str, *, tls: bool, elsewhere: Collection[Way]) -> bool:
    """The rule for whoever listens on that host."""
    return is_loopback(host) or tls or "http" in elsewhere


def _broker(settings: Settings, *, own_users: bool) -> Exposure | None:
    url = settings.mqtt_url.get_secret_value()
    return mqtt_exposure("TELECARE_MQTT_URL", url, settings.tls_elsewhere, own_users=own_users)


def mqtt_exposure(variable: str, text: str, elsewhere: Collection[Way], *, own_users: bool = False) -> Exposure | None:
    """Of whoever goes to the broker by that URL, which `variable` names."""
    try:
        url = MqttUrl.parse(text)
    except ValueError:
        return None
    if is_loopback(url.host):
        return None
    if not url.tls and "broker" not in elsewhere:
        return Exposure(
            f"{variable} is beyond loopback, and without TLS: the password and every alarm would travel in clear",
            "write mqtts://user:password@host:8883 (deploy/certificates makes certificates for a trial); "
            f"or, where a VPN protects the way, {_ELSEWHERE}=broker",
        )
    if url.username is None and not own_users:
        return Exposure(
            f"{variable} is beyond loopback, and names no user: a broker that lets us in so lets anybody in",
            "write mqtts://user:password@host:8883, and secure the broker (docs/security.md)",
        )
    return None


def _database(settings: Settings) -> Exposure | None:
    text = settings.database_url.get_secret_value()
    try:
        check_database_url(text)
    except DatabaseUrlError:
        return None
    hosts, sslmode = _of_database(text)
    if all(is_loopback(host) or host.startswith("/") for host in hosts):
        return None
    if sslmode == "verify-full" or "database" in settings.tls_elsewhere:
        return None
    return Exposure(
        "TELECARE_DATABASE_URL is beyond loopback, and without sslmode=verify-full: whoever is in between could read "
        "and change everything",
        "end it with ?sslmode=verify-full&sslrootcert=/path/of/the/authority.crt (deploy/certificates makes one for a "
        f"trial); or, where a VPN protects the way, {_ELSEWHERE}=database",
    )


def _of_database(text: str) -> tuple[list[str], str | None]:
    """Hosts and sslmode as asyncpg finds them: the URL's own, its query, libpq's environment; none is a socket, if no file says."""
    parts = urlsplit(text)
    query = parse_qs(parts.query)
    # A service file names the host, or another than here, and a mode of its own; only a mode that stands here overrules that.
    if "service" in query:
        return ["a service file's"], query.get("sslmode", [None])[-1]
    addresses = parts.netloc.rpartition("@")[2] or query.get("host", [""])[-1] or os.environ.get("PGHOST", "")
    hosts = [unquote(_host(address)) for address in addresses.split(",") if address]
    return hosts, query.get("sslmode", [None])[-1] or os.environ.get("PGSSLMODE")


def _host(address: str) -> str:
    """`[::1]:5432` → `::1`, `db:5432` → `db`."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.startswith("/") else address.partition(":")[0]
