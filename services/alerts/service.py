"""The wiring of alerts: the only place where its parts meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.ids import HubId
from services.alerts import actions, kpis
from services.alerts.actions import HubActions
from services.alerts.alarms import Alarms
from services.alerts.auditor import EVERY_S as AUDIT_EVERY_S
from services.alerts.auditor import Auditor
from services.alerts.channels.email import EmailChannel, MailServer
from services.alerts.channels.mqtt import MqttChannel
from services.alerts.channels.names import Names
from services.alerts.channels.receipt import ReceiptChannel
from services.alerts.channels.sms import NotifyAccount, SmsChannel
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.console import Console, Embedding, console_router
from services.alerts.console.sessions import Sessions
from services.alerts.console.stream import CHANNELS as CONSOLE_CHANNELS
from services.alerts.console.stream import Stream
from services.alerts.dispatcher import EVERY_S as SEND_EVERY_S
from services.alerts.dispatcher import Dispatcher
from services.alerts.gauges import EVERY_S as COUNT_EVERY_S
from services.alerts.gauges import Gauges
from services.alerts.http import routes
from services.alerts.http.feed import Feed
from services.alerts.http.notify import notify_routes
from services.alerts.intake import STREAM, Intake
from services.alerts.kpis.page import page_router
from services.alerts.metrics import Metrics
from services.alerts.people import People
from services.alerts.probes import http as probes_http
from services.alerts.probes import verification
from services.alerts.probes.gauges import EVERY_S as HEALTH_EVERY_S
from services.alerts.probes.gauges import HealthGauges
from services.alerts.probes.prober import EVERY_S as PROBE_EVERY_S
from services.alerts.probes.prober import Prober, TransportProber
from services.alerts.probes.retention import EVERY_S as FORGET_EVERY_S
from services.alerts.probes.retention import ProbeRetention
from services.alerts.probes.verification import VerificationSender
from services.alerts.rewinds import EVERY_S as REWINDS_EVERY_S
from services.alerts.rewinds import Rewinds
from services.alerts.silences import EVERY_S as SILENCES_EVERY_S
from services.alerts.silences import SilenceGauges
from services.alerts.silences import routes as silence_routes
from services.alerts.store import Due
from services.alerts.waker import Waker
from services.chassis.event_log import Consumer
from services.chassis.http import Access
from services.chassis.loop import Loop
from services.chassis.postgres import Pool, open_pool
from services.chassis.secrets import Vault
from services.chassis.service import Runtime, Service
from services.chassis.shard import Lane, Shards

ROLE: Final = "telecare_alerts"
_CONNECTIONS_MAX: Final = 20
_READING_MAX: Final = 4  # however many people look at lists, no alarm waits for a connection of theirs
_WAKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """What does the work; tests call each `run_once` themselves."""

    pool: Pool
    reading: Pool
    auditing: Pool  # of the auditor alone: whoever takes all other connections can't keep it from looking
    metrics: Metrics
    consumer: Consumer
    verifications: Consumer
    waker: Waker
    dispatcher: Dispatcher
    sending: Loop  # runs the dispatcher
    gauges: Gauges
    feed: Feed
    hub_actions: HubActions
    webhooks: WebhookChannel
    texts: SmsChannel
    alarms: Alarms
    prober: Prober
    transports: TransportProber
    auditor: Auditor

    async def close(self) -> None:
        """Stop what is being sent, and let go of every connection."""
        await self.dispatcher.close()
        await self.webhooks.close()
        await self.texts.close()
        self.pool.terminate()
        self.reading.terminate()
        self.auditing.terminate()


async def assemble(runtime: Runtime) -> Parts:
    """Make the parts, none of which runs yet. SettingsError when no key for stored secrets can be had."""
    settings, clock, publisher = runtime.settings, runtime.clock, runtime.publisher
    vault, names = Vault.from_settings(settings), Names()
    webhooks = WebhookChannel(vault, settings.webhook_allow_cidrs, names)
    mail = EmailChannel(MailServer.from_settings(settings), vault, names, public_url=settings.public_url)
    texts = SmsChannel(NotifyAccount.from_settings(settings), vault, names, clock, public_url=settings.public_url)
    pool = await open_pool(runtime.database_url, role=ROLE, name="alerts", size=_CONNECTIONS_MAX)
    reading = await open_pool(runtime.database_url, role=ROLE, name="alerts-http", size=_READING_MAX)
    auditing = await open_pool(runtime.database_url, role=ROLE, name="alerts-auditor", size=1)
    metrics = Metrics(runtime.metrics)
    fallback = HubId(settings.fallback_hub) if settings.fallback_hub else None

    def look() -> None:
        sending.poke()

    def send(due: Sequence[Due]) -> None:
        """Whoever makes deliveries due says so to who sends them."""
        dispatcher.send(due)

    alarms = Alarms(fallback, metrics, send)
    dispatcher = Dispatcher(
        pool=pool,
        clock=clock,
        channels={
            "webhook": webhooks,
            "mqtt": MqttChannel(publisher),
            "email": mail,
            "sms": texts,
            "receipt": ReceiptChannel(publisher),
        },
        alarms=alarms,
        metrics=metrics,
        poke=look,
    )
    sending = Loop("dispatcher", dispatcher.send_due, SEND_EVERY_S)
    intake = Intake(alarms)
    codes = VerificationSender(look)
    waker = Waker(pool, clock, alarms)
    return Parts(
        pool=pool,
        reading=reading,
        auditing=auditing,
        metrics=metrics,
        consumer=Consumer(STREAM, intake.handle, intake.handle_poison, pool, clock, gives_way=waker.has_urgent_work),
        verifications=Consumer(verification.STREAM, codes.handle, codes.handle_poison, pool, clock, claimers=1),
        waker=waker,
        dispatcher=dispatcher,
        sending=sending,
        gauges=Gauges(pool, clock, metrics, fallback),
        feed=Feed(reading),
        hub_actions=HubActions(pool, clock, alarms, metrics, publisher),
        webhooks=webhooks,
        texts=texts,
        alarms=alarms,
        prober=Prober(pool, clock, look),
        transports=TransportProber(pool, clock, {"email": mail, "sms": texts}),
        auditor=Auditor(auditing, clock, metrics, (STREAM, verification.STREAM)),
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
    months = kpis.Months(parts.reading)
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
        routers=(
            routes(parts.reading, parts.pool, runtime.clock, parts.alarms, parts.feed, access),
            kpis.routes(months, runtime.clock, access),
            probes_http.routes(parts.reading, access),
            silence_routes(parts.reading, parts.pool, access, runtime.clock),
            console_router(console),
            page_router(months, runtime.clock, console.gate),
            notify_routes(parts.reading, runtime.clock, runtime.settings.notify_callback_token),
        ),
        loops=(
            *parts.consumer.loops(),
            *parts.verifications.loops(),
            *parts.waker.loops(_WAKERS),
            Loop("rewinds", Rewinds(parts.pool, runtime.clock).run_once, REWINDS_EVERY_S),
            parts.sending,
            Loop("alarm-gauges", parts.gauges.run_once, COUNT_EVERY_S),
            Loop("prober", parts.prober.run_once, PROBE_EVERY_S),
            Loop("transport-prober", parts.transports.run_once, PROBE_EVERY_S),
            Loop("probe-retention", ProbeRetention(parts.pool, runtime.clock).run_once, FORGET_EVERY_S),
            Loop("health-gauges", HealthGauges(parts.reading, parts.metrics).run_once, HEALTH_EVERY_S),
            Loop(
                "silence-gauges", SilenceGauges(parts.reading, runtime.clock, parts.metrics).run_once, SILENCES_EVERY_S
            ),
            Loop("auditor", parts.auditor.run_once, AUDIT_EVERY_S),
        ),
        tasks=(shards.run,),
        checks=(parts.gauges.check, parts.waker.check, parts.auditor.check, shards.check),
        listens={
            "event_log": lambda stream: _poke(stream, parts.consumer, parts.verifications),
            "delivery": lambda _: parts.sending.poke(),
            "alarm_transition": parts.feed.poke,
            **dict.fromkeys(CONSOLE_CHANNELS, console.stream.poke),
        },
        links=(("console/", "Hub console: the page that operators work with"),),
        close=parts.close,
    )


def _poke(stream: str, *consumers: Consumer) -> None:
    for consumer in consumers:
        consumer.poke(stream)
