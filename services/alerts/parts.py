"""What does the work of alerts, put together: each knows of the others only what it is given here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from contracts.condition import STREAM as CONDITIONS
from contracts.ids import HubId
from contracts.metrics import MONITORING_BLIND
from services.alerts.actions import HubActions
from services.alerts.alarms import Alarms
from services.alerts.auditor import Auditor
from services.alerts.channels import Channel
from services.alerts.channels.email import EmailChannel, MailServer
from services.alerts.channels.mqtt import MqttChannel
from services.alerts.channels.names import Names
from services.alerts.channels.receipt import ReceiptChannel
from services.alerts.channels.sms import NotifyAccount, SmsChannel
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.dispatcher import EVERY_S as SEND_EVERY_S
from services.alerts.dispatcher import Dispatcher
from services.alerts.domain.delivery import DeliveryKind
from services.alerts.gauges import Gauges
from services.alerts.http.feed import Feed
from services.alerts.impaired import DegradedHearing, Memory, Watch
from services.alerts.intake import STREAM, Intake
from services.alerts.metrics import Metrics
from services.alerts.outages.room import OutageRoom
from services.alerts.probes import verification
from services.alerts.probes.prober import Prober, TransportProber
from services.alerts.probes.responders import ResponderWays
from services.alerts.probes.verification import VerificationSender
from services.alerts.sealed import Sealed
from services.alerts.store import Due
from services.alerts.waker import Waker
from services.chassis.event_log import Consumer
from services.chassis.loop import Loop
from services.chassis.metrics import greatest_of
from services.chassis.postgres import Pool, open_pool
from services.chassis.secrets import Vault
from services.chassis.service import Runtime

ROLE: Final = "telecare_alerts"
_CONNECTIONS_MAX: Final = 20
_READING_MAX: Final = 4  # however many people look at lists, no alarm waits for a connection of theirs


@dataclass(frozen=True, slots=True)
class _Ways:
    """Every way to people and devices; those that hold connections are closed."""

    webhooks: WebhookChannel
    mail: EmailChannel
    texts: SmsChannel
    mqtt: MqttChannel
    receipts: ReceiptChannel
    vault: Vault

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        settings, names = runtime.settings, Names()
        vault, page = Vault.from_settings(settings), settings.public_url
        return cls(
            webhooks=WebhookChannel(vault, settings.webhook_allow_cidrs, names),
            mail=EmailChannel(MailServer.from_settings(settings), vault, names, public_url=page),
            texts=SmsChannel(NotifyAccount.from_settings(settings), vault, names, runtime.clock, public_url=page),
            mqtt=MqttChannel(runtime.publisher),
            receipts=ReceiptChannel(runtime.publisher),
            vault=vault,
        )

    def by_kind(self) -> dict[DeliveryKind, Channel]:
        return {
            "webhook": self.webhooks,
            "mqtt": self.mqtt,
            "email": self.mail,
            "sms": self.texts,
            "receipt": self.receipts,
        }

    async def close(self) -> None:
        await self.webhooks.close()
        await self.texts.close()


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
    ways: _Ways
    alarms: Alarms
    prober: Prober
    transports: TransportProber
    responder_ways: ResponderWays
    auditor: Auditor
    watch: Watch
    degraded: DegradedHearing
    outages: OutageRoom
    sealed: Sealed

    async def close(self) -> None:
        """Stop what is being sent, and let go of every connection."""
        await self.dispatcher.close()
        await self.ways.close()
        self.pool.terminate()
        self.reading.terminate()
        self.auditing.terminate()
        self.watch.pool.terminate()


async def assemble(runtime: Runtime) -> Parts:
    """Make the parts, none of which runs yet. SettingsError when no key for stored secrets can be had."""
    clock, ways = runtime.clock, _Ways.of(runtime)
    pool = await open_pool(runtime.database_url, role=ROLE, name="alerts", size=_CONNECTIONS_MAX)
    reading = await open_pool(runtime.database_url, role=ROLE, name="alerts-http", size=_READING_MAX)
    auditing = await open_pool(runtime.database_url, role=ROLE, name="alerts-auditor", size=1)
    watching = await open_pool(runtime.database_url, role=ROLE, name="alerts-watch", size=1)
    metrics = Metrics(runtime.metrics, runtime.clock)
    fallback = HubId(runtime.settings.fallback_hub) if runtime.settings.fallback_hub else None

    def look() -> None:
        sending.poke()

    def send(due: Sequence[Due]) -> None:
        """Whoever makes deliveries due says so to who sends them."""
        dispatcher.send(due)

    watch = Watch(watching, clock, metrics, Memory(ways.by_kind()))
    greatest_of(runtime.metrics, *MONITORING_BLIND, lambda: float(watch.blind))
    alarms = Alarms(fallback, metrics, send, watch.memory.awaits)
    dispatcher = Dispatcher(pool, clock, ways.by_kind(), alarms, metrics, look)
    sending = Loop("dispatcher", dispatcher.send_due, SEND_EVERY_S)
    intake = Intake(alarms)
    codes = VerificationSender(look)
    waker = Waker(pool, clock, alarms)
    return Parts(
        pool=pool,
        reading=reading,
        auditing=auditing,
        metrics=metrics,
        consumer=Consumer(
            *(STREAM, intake.handle, intake.handle_poison, pool, clock),
            gives_way=waker.has_urgent_work,
            rehearse=intake.rehearse,
        ),
        verifications=Consumer(verification.STREAM, codes.handle, codes.handle_poison, pool, clock, claimers=1),
        waker=waker,
        dispatcher=dispatcher,
        sending=sending,
        gauges=Gauges(pool, metrics, fallback),
        feed=Feed(reading),
        hub_actions=HubActions(pool, clock, alarms, metrics, runtime.publisher, runtime.audit),
        ways=ways,
        alarms=alarms,
        prober=Prober(pool, clock, look),
        transports=TransportProber(pool, clock, {"email": ways.mail, "sms": ways.texts}),
        responder_ways=ResponderWays(reading, clock, {"email": ways.mail, "sms": ways.texts}, metrics),
        watch=watch,
        degraded=DegradedHearing(pool, clock),
        auditor=Auditor(auditing, clock, metrics, (STREAM, verification.STREAM, CONDITIONS)),
        outages=OutageRoom.of(
            *(pool, reading, clock, metrics, fallback), timedelta(days=runtime.settings.keep_text_days), look
        ),
        sealed=Sealed(reading, ways.vault),
    )
