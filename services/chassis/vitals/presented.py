"""What listeners present to whoever comes: ours, those that we go to, and those of others that we are told of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.chassis.mqtt.url import MqttUrl
from services.chassis.postgres.url import DatabaseUrlError, check_database_url, servers_by_tls
from services.chassis.settings import Settings, SettingsError
from services.chassis.vitals.listener import FAULTS, Fault, Listener

_log = structlog.get_logger(__name__)

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where nobody can go to


def listeners(settings: Settings, own_url: str | None = None) -> tuple[Listener, ...]:
    """Each once. `own_url`: where this process itself serves HTTP.

    Raises SettingsError for an entry of TELECARE_WATCH_LISTENERS that is none.
    """
    found = (*_told(settings), *_gone_to(settings), *_own(settings, own_url))
    return tuple({str(each): each for each in reversed(found)}.values())[::-1]  # what was told of says more


def _told(settings: Settings) -> Iterator[Listener]:
    for text in settings.watch_listeners:
        try:
            yield Listener.parse(text)
        except ValueError as error:
            raise SettingsError(f"TELECARE_WATCH_LISTENERS has one that is none: {error}") from None


def _gone_to(settings: Settings) -> Iterator[Listener]:
    """Broker and database, where we reach them by TLS. A URL that cannot be read is others' to tell."""
    for secret in (settings.mqtt_url, settings.mqtt_admin_url):
        try:
            url = None if secret is None else MqttUrl.parse(secret.get_secret_value())
        except ValueError:
            continue
        if url is not None and url.tls:
            yield Listener("mqtts", url.host, url.port, url.host)
    database_url = settings.database_url.get_secret_value()
    try:
        check_database_url(database_url)
    except DatabaseUrlError:
        return
    for server in servers_by_tls(database_url):
        trust = None if server.authority is None else Path(server.authority)
        yield Listener("postgresql", server.host, server.port, server.host if server.verified else None, trust)


def _own(settings: Settings, own_url: str | None) -> Iterator[Listener]:
    """By which name others reach it, no setting says: so only when it ends is looked at."""
    own = urlsplit(own_url or "")
    if own.scheme == "https" and own.hostname and own.port:
        yield Listener("https", _EVERYWHERE.get(own.hostname, own.hostname), own.port)
    if settings.gate_listen is not None and settings.gate_cert is not None:
        host, _, port = settings.gate_listen.rpartition(":")
        host = host.strip("[]")
        yield Listener("mqtts", _EVERYWHERE.get(host, host), int(port))


class PresentedVitals:
    """`telecare_listener_certificate_expiry_timestamp_seconds{listener}`, `telecare_listener_fault{listener,fault}`."""

    def __init__(self, metrics: CollectorRegistry, watched: Sequence[Listener]) -> None:
        self._watched = watched
        self._faults: dict[Listener, Fault | None] = {}
        if not watched:
            return
        self._ends = Gauge(
            "telecare_listener_certificate_expiry_timestamp_seconds",
            "When the certificate ends that a listener presented last; absent: it has presented none yet.",
            ["listener"],
            registry=metrics,
        )
        self._fault = Gauge(
            "telecare_listener_fault",
            "1: nobody there speaks TLS (unseen), or whoever checks refuses what is presented (untrusted, wrong_name).",
            ["listener", "fault"],
            registry=metrics,
        )

    async def run_once(self) -> int:
        """Go to each, one after the other. Returns 0: the next round is due in ten minutes."""
        await self._look_at(self._watched)
        return 0

    async def again(self) -> int:
        """Go to those that had a fault: one handshake that was slow is over in a minute, and so is a mend. Returns 0, as above."""
        await self._look_at([listener for listener, fault in self._faults.items() if fault is not None])
        return 0

    async def _look_at(self, listeners: Sequence[Listener]) -> None:
        for listener in listeners:
            look = await asyncio.to_thread(listener.look)
            if look.ends_at_s is not None:  # else what it presented last is what it will present when it is back
                self._ends.labels(str(listener)).set(look.ends_at_s)
            for fault in FAULTS:
                self._fault.labels(str(listener), fault).set(fault == look.fault)
            if look.fault is not None and look.fault != self._faults.get(listener):
                _log.warning("listener_fault", listener=str(listener), fault=look.fault, reason=look.reason)
            self._faults[listener] = look.fault
