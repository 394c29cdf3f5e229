"""All that has to do with who may come to the broker, put together for `service.build`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from pydantic import SecretStr

from services.chassis.http import ServerTls
from services.chassis.loop import Loop
from services.chassis.mqtt import MqttUrl
from services.chassis.postgres import Pool
from services.chassis.secrets import Vault
from services.chassis.service import Runtime
from services.chassis.settings import Settings, SettingsError
from services.chassis.shard import Lane, Shards
from services.registry.broker.gauges import EVERY_S as COUNT_EVERY_S
from services.registry.broker.gauges import CredentialGauge
from services.registry.broker.reconciler import EVERY_S, Reconciler
from services.registry.domain.own_names import OwnNames
from services.registry.gate.gate import Gate
from services.registry.identity import provisioning
from services.registry.identity.claims import Claims
from services.registry.identity.credentials import Credentials
from services.registry.identity.provisioning import Provisioning

_log = structlog.get_logger(__name__)

PURPOSE = "broker credentials"
UNKEPT = (
    "Devices' identity is not enforced: nobody keeps the broker's register of users (TELECARE_MQTT_ADMIN_URL is not set). "
    "A broker that lets anybody in is for loopback only."
)


@dataclass(frozen=True, slots=True)
class BrokerRoom:
    own_names: OwnNames
    claims: Claims
    credentials: Credentials
    tasks: Sequence[Callable[[], Awaitable[None]]]
    gate: Gate | None
    loops: Sequence[Loop]
    listens: dict[str, Callable[[str], None]]
    checks: Sequence[Callable[[], Awaitable[str | None]]]
    notes: Sequence[Callable[[], str | None]]


def broker_room(runtime: Runtime, pool: Pool, vault: Vault) -> BrokerRoom:
    """Raises SettingsError for an admin URL that is none."""
    key = vault.key(PURPOSE)
    url = admin_url(runtime.settings.mqtt_admin_url)
    ours = (each.username for each in (runtime.mqtt_url, url) if each is not None)
    own_names = OwnNames(name for name in ours if name is not None)
    claims = Claims(pool, key, own_names)
    loops = [Loop("broker-gauge", CredentialGauge(pool, runtime.metrics).run_once, COUNT_EVERY_S)]
    reconciler = None
    if url is None:
        _log.warning("broker_identity_not_enforced", hint="set TELECARE_MQTT_ADMIN_URL; without it, loopback only")
    else:
        reconciler = Reconciler(pool, runtime.clock, url, key)
        loops.append(Loop("broker-register", reconciler.run_once, EVERY_S))
    work = Provisioning(claims, runtime.clock, runtime.publisher, reconciler).work
    shards = Shards(
        pool=pool,
        mqtt_url=runtime.mqtt_url,
        clock=runtime.clock,
        instance=runtime.instance,
        service="registry",
        lanes={provisioning.LANE: Lane(work, provisioning.RECEIVE_MAX)},
    )
    gate_tls = _gate_tls(runtime.settings)
    gate = _gate(runtime, pool, key, gate_tls)
    tasks = (shards.run,) if gate is None else (shards.run, gate.run)
    listens: dict[str, Callable[[str], None]] = {"broker": lambda _: loops[-1].poke()}
    renewals = [] if gate_tls is None else [gate_tls.loop]
    return BrokerRoom(
        own_names,
        claims,
        Credentials(pool, key),
        tasks,
        gate,
        [*renewals, *loops],
        listens,
        (shards.check,),
        (lambda: _note(reconciler),),
    )


def _gate_tls(settings: Settings) -> ServerTls | None:
    """None where units come in clear. Raises SettingsError for a certificate that cannot be used, or that has no key."""
    if settings.gate_listen is None or settings.gate_cert is None:
        return None
    return ServerTls(settings.gate_cert, settings.gate_key or settings.gate_cert, "gate")  # one file may hold both


def _gate(runtime: Runtime, pool: Pool, key: bytes, tls: ServerTls | None) -> Gate | None:
    """Raises SettingsError where strangers could listen."""
    if runtime.settings.gate_listen is None:
        return None
    host, _, port = runtime.settings.gate_listen.rpartition(":")
    if tls is None and host not in {"127.0.0.1", "::1", "localhost"}:
        raise SettingsError(
            "TELECARE_GATE_LISTEN is not on loopback: it needs TELECARE_GATE_CERT and TELECARE_GATE_KEY"
        )
    return Gate(pool, runtime.mqtt_url, key, host, int(port), None if tls is None else tls.context)


def admin_url(setting: SecretStr | None) -> MqttUrl | None:
    """Raises SettingsError for one that cannot be read."""
    if setting is None:
        return None
    try:
        return MqttUrl.parse(setting.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"TELECARE_MQTT_ADMIN_URL is not usable: {error}") from None


def _note(reconciler: Reconciler | None) -> str | None:
    """For the front page; it keeps nobody's alarm from anybody, so it is no matter of readiness."""
    if reconciler is None:
        return UNKEPT
    if wrong := reconciler.trouble or reconciler.held_back:
        return f"The broker's register of users is not kept: {wrong}."
    return None
