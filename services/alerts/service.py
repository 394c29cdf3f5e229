"""Alerts as a process runs it: its parts, its pages and API, and the loops that keep it going."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from contracts.access import Role
from services.alerts import actions, kpis
from services.alerts.auditor import EVERY_S as AUDIT_EVERY_S
from services.alerts.console import Console, Embedding, console_routers
from services.alerts.console.stream import CHANNELS as CONSOLE_CHANNELS
from services.alerts.console.stream import Stream
from services.alerts.forgetting import forgetting_loops
from services.alerts.gauges import EVERY_S as COUNT_EVERY_S
from services.alerts.gauges import SessionGauge
from services.alerts.http import routes
from services.alerts.http.notify import notify_routes
from services.alerts.impaired import DEGRADED_EVERY_S
from services.alerts.impaired import EVERY_S as WATCH_EVERY_S
from services.alerts.kpis.page import page_routers
from services.alerts.outages.http import routes as outage_routes
from services.alerts.outages.page import page_routers as outage_pages
from services.alerts.outages.room import OutageRoom
from services.alerts.parts import Parts, assemble
from services.alerts.people import People
from services.alerts.probes import http as probes_http
from services.alerts.probes.gauges import EVERY_S as HEALTH_EVERY_S
from services.alerts.probes.gauges import HealthGauges
from services.alerts.probes.prober import EVERY_S as PROBE_EVERY_S
from services.alerts.probes.retention import EVERY_S as FORGET_EVERY_S
from services.alerts.probes.retention import ProbeRetention
from services.alerts.rewinds import EVERY_S as REWINDS_EVERY_S
from services.alerts.rewinds import Rewinds
from services.alerts.sealed import EVERY_S as SEALED_EVERY_S
from services.alerts.silences import EVERY_S as SILENCES_EVERY_S
from services.alerts.silences import SilenceGauges
from services.alerts.silences import routes as silence_routes
from services.chassis.event_log import Consumer
from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.pages import Sessions
from services.chassis.service import Link, Runtime, Service
from services.chassis.shard import Lane, Shards

WAKERS: Final = 4
_READERS: Final = frozenset[Role]({"ops", "hub", "engineer", "viewer"})
LINKS: Final = (
    Link("/console/", "Hub console", "the page that operators work with", _READERS),
    Link("/console/outages", "Outages", "many devices at once, who is exposed, and who has been asked after", _READERS),
    Link("/console/kpis", "Figures", "how soon people answered, month by month", _READERS),
)


async def build(runtime: Runtime, embedding: Embedding | None = None) -> Service:
    """The service, not running yet. SettingsError when no key for stored secrets can be had.

    `embedding`: what whoever runs it adds to the console.
    """
    parts = await assemble(runtime)
    access = Access(parts.pool, runtime.settings, runtime.clock)
    console = Console(
        reading=parts.reading,
        acting=parts.pool,
        clock=runtime.clock,
        people=People(parts.alarms),
        stream=Stream(parts.feed, runtime.clock),
        sessions=Sessions(parts.pool, runtime.clock, access),
        embedding=embedding or Embedding(),
    )
    shards = Shards(
        pool=parts.pool,
        mqtt_url=runtime.mqtt_url,
        clock=runtime.clock,
        instance=runtime.instance,
        service="alerts",
        lanes={actions.LANE: Lane(parts.hub_actions.work, actions.RECEIVE_MAX)},
    )
    return Service(
        name="alerts",
        routers=_routers(runtime, parts, access, console),
        loops=_loops(runtime, parts),
        tasks=(shards.run,),
        checks=(
            *(parts.gauges.check, parts.sealed.check, parts.waker.check, parts.auditor.check, parts.watch.check),
            shards.check,
        ),
        listens={
            "event_log": lambda stream: _poke(stream, parts.consumer, parts.verifications, parts.outages),
            "delivery": lambda _: parts.sending.poke(),
            "alarm_transition": parts.feed.poke,
            **dict.fromkeys(CONSOLE_CHANNELS, console.stream.poke),
        },
        links=LINKS,
        close=parts.close,
    )


def _routers(runtime: Runtime, parts: Parts, access: Access, console: Console) -> tuple[APIRouter, ...]:
    clock, months = runtime.clock, kpis.Months(parts.reading)
    return (
        routes(parts.reading, parts.pool, clock, parts.alarms, parts.feed, access),
        kpis.routes(months, clock, access),
        probes_http.routes(parts.reading, access),
        silence_routes(parts.reading, parts.pool, access, clock),
        outage_routes(parts.reading, parts.pool, access, clock),
        *console_routers(console),
        *page_routers(months, clock, console.gate),
        *outage_pages(parts.reading, parts.pool, clock, console.gate),
        notify_routes(parts.reading, clock, runtime.settings.notify_callback_token),
    )


def _loops(runtime: Runtime, parts: Parts) -> tuple[Loop, ...]:
    """Those that make alarms reach people first, then those that watch over it."""
    clock = runtime.clock
    return (
        *parts.consumer.loops(),
        *parts.verifications.loops(),
        *parts.waker.loops(WAKERS),
        Loop("rewinds", Rewinds(parts.pool, clock).run_once, REWINDS_EVERY_S),
        parts.sending,
        *parts.outages.loops(),
        Loop("prober", parts.prober.run_once, PROBE_EVERY_S),
        Loop("transport-prober", parts.transports.run_once, PROBE_EVERY_S),
        Loop("responder-ways", parts.responder_ways.run_once, PROBE_EVERY_S),
        Loop("probe-retention", ProbeRetention(parts.pool, clock).run_once, FORGET_EVERY_S),
        *forgetting_loops(runtime, parts.reading),
        Loop("hearing", parts.watch.run_once, WATCH_EVERY_S),
        Loop("degraded-hearing", parts.degraded.run_once, DEGRADED_EVERY_S),
        Loop("auditor", parts.auditor.run_once, AUDIT_EVERY_S),
        Loop("sealed", parts.sealed.run_once, SEALED_EVERY_S),
        Loop("alarm-gauges", parts.gauges.run_once, COUNT_EVERY_S),
        Loop("session-gauge", SessionGauge(parts.reading, clock, parts.metrics).run_once, COUNT_EVERY_S),
        Loop("health-gauges", HealthGauges(parts.reading, parts.metrics).run_once, HEALTH_EVERY_S),
        Loop("silence-gauges", SilenceGauges(parts.reading, clock, parts.metrics).run_once, SILENCES_EVERY_S),
    )


def _poke(stream: str, *consumers: Consumer | OutageRoom) -> None:
    for consumer in consumers:
        consumer.poke(stream)
