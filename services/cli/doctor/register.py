"""The broker's register of users: is it kept, by whom, and does a change survive?"""

from __future__ import annotations

import asyncio
import secrets

from services.chassis.mqtt import ConnectFailed, ConnectionRefused, MqttUrl, Session, SessionOptions
from services.chassis.mqtt.errors import MqttError
from services.chassis.mqtt.options import Filter
from services.chassis.settings import Settings, SettingsError
from services.cli.doctor.finding import Finding, good, note, wrong
from services.registry.broker.control import BrokerRefuses, Control
from services.registry.broker.room import admin_url
from services.registry.domain.broker import DEFAULTS, MARK
from services.registry.identity.provisioning import BrokerAway

_AREA = "register"
_LOG_TIMEOUT_S = 3.0
_LOG_AFTER_S = 0.3
_LOG_ADVICE = "log_dest topic in the broker's settings (deploy/mosquitto/users.conf), and a service user with its role"


async def examine_register(settings: Settings) -> list[Finding]:
    """Whether each device is somebody at the broker, and a stranger nobody."""
    try:
        admin, url = admin_url(settings.mqtt_admin_url), MqttUrl.parse(settings.mqtt_url.get_secret_value())
    except SettingsError as error:
        return [wrong(_AREA, str(error), "write it like mqtt://keeper:password@127.0.0.1:1883")]
    except ValueError:
        return []  # the broker's own findings say so
    found = [await _strangers(url)]
    if admin is None:
        advice = (
            "set it, and secure the broker (docs/security.md); without it nothing but loopback may reach the broker"
        )
        return [*found, note(_AREA, "nobody keeps the broker's users: TELECARE_MQTT_ADMIN_URL is not set", advice)]
    try:
        async with Control.open(admin) as control:
            return [*found, *await _register(control), await _survives(control, url)]
    except (BrokerAway, BrokerRefuses) as error:
        advice = (
            "is the plugin loaded, and is the user of TELECARE_MQTT_ADMIN_URL its admin? See `telecare broker init`"
        )
        return [*found, wrong(_AREA, f"the register cannot be kept: {error}", advice)]


async def _strangers(url: MqttUrl) -> Finding:
    nobody = MqttUrl(url.host, url.port, url.tls)
    name = f"telecare-doctor-{secrets.token_hex(4)}"
    options = SessionOptions(
        client_id=name,
        filters=(Filter(f"telecare-doctor/{name}"),),
        receive_max=1,
        session_expiry_s=0,
        clean_start=True,
    )
    try:
        session = await Session.connect(nobody, options)
    except ConnectionRefused:
        return good(_AREA, "a stranger is not let in")
    except (ConnectFailed, MqttError, OSError):
        return note(_AREA, "it could not be tried whether a stranger is let in", "see the broker's own findings")
    await session.close()
    advice = "allow_anonymous false, and dynamic security (deploy/mosquitto/users.conf), before anything but loopback reaches it"
    level = note if url.host in {"127.0.0.1", "::1", "localhost"} else wrong
    return level(_AREA, "the broker lets anybody in: a device's identity is not enforced", advice)


async def _register(control: Control) -> list[Finding]:
    found = []
    if await control.defaults() == dict(DEFAULTS):
        found.append(good(_AREA, "what is not allowed is refused"))
    else:
        found.append(
            wrong(_AREA, "the register allows what no role says", "start the registry: it mends this within a minute")
        )
    clients = await control.clients()
    ours = sum(client.get("textname") == MARK for client in clients.values())
    found.append(
        good(
            _AREA, f"{ours} users of the registry's, {len(clients) - ours} others (the keeper and the services are two)"
        )
    )
    return found


async def _survives(control: Control, url: MqttUrl) -> Finding:
    """Makes a change and takes it back. The plugin answers alike whether it could write it or not: only the broker's log tells."""
    name = f"telecare-doctor-{secrets.token_hex(4)}"
    options = SessionOptions(
        client_id=name,
        filters=(Filter("$SYS/broker/log/#", qos=0),),
        receive_max=64,
        session_expiry_s=0,
        clean_start=True,
    )
    advice = (
        "make it a directory that the broker's user may write, and mount nothing read-only over it (docs/security.md)"
    )
    try:
        session = await Session.connect(url, options)
    except (MqttError, OSError):
        return note(
            _AREA, "it could not be seen whether a change survives: we may not read the broker's log", _LOG_ADVICE
        )
    try:
        await control.tell([{"command": "createRole", "rolename": name}, {"command": "deleteRole", "rolename": name}])
        lines = await _lines(session, name)
    finally:
        await session.close()
    if any("Error saving Dynamic security" in line for line in lines):
        return wrong(_AREA, "the broker cannot write its register: it forgets every change at its next start", advice)
    if not any(name in line for line in lines):
        return note(_AREA, "it could not be seen whether a change survives: the broker's log is silent", _LOG_ADVICE)
    return good(_AREA, "a change is written to the broker's file")


async def _lines(session: Session, name: str) -> list[str]:
    """What the broker logged until it has logged our second command, and what it says right after."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(_LOG_TIMEOUT_S):
            while not ("deleteRole" in "".join(lines) and name in "".join(lines)):
                lines += await _batch(session)
        async with asyncio.timeout(_LOG_AFTER_S):
            while True:
                lines += await _batch(session)
    except TimeoutError:
        return lines


async def _batch(session: Session) -> list[str]:
    return [bytes(message.payload).decode(errors="replace") for message in await session.batch(64)]
