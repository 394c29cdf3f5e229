"""A running installation: what an outsider may touch of it, and how he sets up what a test needs."""

import json
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.blackbox import program
from tests.blackbox.api import Answer, Api, Metrics
from tests.blackbox.box import PRIVATE, Box, Version
from tests.blackbox.hub import Receiver
from tests.blackbox.program import Program
from tests.support.servers import Broker, DatabaseServer, execute_alone, free_port, until

COUNCIL = "glasgow-city"
HUB = "clyde-arc"

ALARM_FIELDS = {
    "alarm_id", "device_id", "council_id", "priority", "kind", "status", "peripheral_id", "location", "state", "step",
    "event_count", "test", "unregistered", "raised_at", "received_at", "notified_at", "acknowledged_at", "acknowledged_by",
    "closed_at", "outcome", "installation_ref",
}  # fmt: skip


class MakeBox(Protocol):
    """Makes a connected device, registered unless told otherwise."""

    async def __call__(
        self,
        *,
        council: str = COUNCIL,
        registered: bool = True,
        topic_council: str | None = None,
        device_id: str | None = None,
        version: Version = 5,
    ) -> Box: ...


@asynccontextmanager
async def empty_database(server: DatabaseServer) -> AsyncIterator[str]:
    """The URL of a database that nobody has migrated."""
    name = f"telecare_{secrets.token_hex(8)}"
    await execute_alone(server.admin_url, f"CREATE DATABASE {name}")
    yield server.url_of(name)
    await execute_alone(server.admin_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def settings_for(database_url: str, mqtt_url: str, data_dir: Path) -> dict[str, str]:
    """The settings of an installation of ours."""
    return {
        "DATABASE_URL": database_url,
        "MQTT_URL": mqtt_url,
        "BOOTSTRAP_TOKEN": secrets.token_urlsafe(32),
        "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
        "DATA_DIR": str(data_dir),
        "LOG_FORMAT": "json",
    }


class Installation:
    """The service, with a broker, a database and a receiver of webhooks: as one process, or as three."""

    def __init__(
        self,
        settings: dict[str, str],
        broker: Broker,
        receiver: Receiver,
        http: aiohttp.ClientSession,
        *,
        layout: Sequence[str] = ("up",),
        telecare: Sequence[str | Path] = (program.TELECARE,),
    ) -> None:
        self.settings = settings
        self.broker = broker
        self.receiver = receiver
        self._telecare = telecare
        self.programs: dict[str, Program] = {}
        self._apis: dict[str, Api] = {}
        for name in layout:
            port = free_port()
            log = Path(settings["DATA_DIR"]) / f"{name}.log"
            self.programs[name] = Program(
                name, settings={**settings, "HTTP_PORT": str(port)}, log=log, telecare=telecare
            )
            self._apis[name] = Api(http, f"http://127.0.0.1:{port}", settings["BOOTSTRAP_TOKEN"])
        self.api = self._apis.get("registry") or self._apis[layout[0]]
        self.alarms_api = self._apis.get("alerts") or self.api
        self.unready_without_recipients: Any = None

    async def start(self) -> None:
        """Migrate, start, make the first hub, and return when it is ready."""
        await self.migrate()
        await self.run()
        if self.programs.keys() & {"up", "alerts"}:
            self.unready_without_recipients = await until(
                self._without_recipients, what="it to have looked who is there"
            )
        await self.make_hub(HUB, COUNCIL)
        await until(self.ready, 60, what="the service to be ready")

    async def run(self) -> None:
        """Start every process on a database that was migrated, and return when all answer."""
        for each in self.programs.values():
            each.start()
        await until(self._all_answer, 180, what="the service to answer")  # as long as it gives itself

    async def migrate(self) -> None:
        """Bring the database to what this build knows; one that is ahead of it stays as it is."""
        migrated = await program.run("migrate", settings=self.settings, telecare=self._telecare)
        assert migrated.code == 0, migrated.output

    async def stop(self) -> None:
        """SIGTERM; every process must end in time, with exit code 0 and its port closed."""
        codes = {name: await each.stop() for name, each in self.programs.items()}
        assert set(codes.values()) == {0}, codes
        for api in self._apis.values():
            with pytest.raises(aiohttp.ClientConnectionError):
                await api.get("/healthz")

    def kill(self) -> None:
        """End whatever is still running."""
        for each in self.programs.values():
            each.kill()

    def log_tail(self) -> str:
        """The end of every log."""
        return "\n".join(f"{name}:\n{each.log_tail()}" for name, each in self.programs.items())

    async def ready(self) -> bool:
        """Whether the `/readyz` of each process says so."""
        try:
            return all([(await api.by(None).get("/readyz")).status == 200 for api in self._apis.values()])
        except aiohttp.ClientConnectionError:
            return False

    async def unready(self) -> bool:
        """Whether that of any says the contrary, or nothing."""
        return not await self.ready()

    async def _without_recipients(self) -> Answer | None:
        """What `/readyz` says once its look at who is there was not cut short, as it may be just after a start."""
        answer = await self.alarms_api.by(None).get("/readyz")
        return answer if answer.status == 200 or "No hub" in str(answer.body) else None

    async def _all_answer(self) -> bool:
        return all([await self._answers(name) for name in self.programs])

    async def _answers(self, name: str) -> bool:
        assert self.programs[name].running, f"telecare {name} has ended:\n{self.programs[name].log_tail()}"
        try:
            return (await self._apis[name].by(None).get("/healthz")).status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def make_hub(self, hub_id: str, *councils: str, channels: list[dict[str, Any]] | None = None) -> None:
        """A hub (told by webhook unless said otherwise) to which the alarms of these councils go."""
        body = {"name": hub_id.title(), "channels": [self.receiver.channel(hub_id)] if channels is None else channels}
        made = await self.api.put(f"/api/v1/hubs/{hub_id}", body)
        assert made.status in {200, 201}, made
        for council in councils:
            routed = await self.api.put(f"/api/v1/councils/{council}/routing", {"hubs": [hub_id]})
            assert routed.status == 200, routed

    async def register(self, device_id: str, council: str) -> None:
        """Put a device on the register."""
        registered = await self.api.post("/api/v1/devices", registration(device_id, council))
        assert registered.status == 201, registered

    async def token(self, role: str, *more: str) -> str:
        """A token of this role, as `telecare token create` prints it on a line of its own."""
        arguments = ("token", "create", new_id(role), "--role", role, *more)
        made = await program.run(*arguments, settings=self.settings)
        assert made.code == 0, made.output
        return made.output.split()[-1]

    async def alarms(self, device_id: str, **query: str | int) -> list[dict[str, Any]]:
        """The alarms of a device, newest first."""
        answer = await self.alarms_api.get("/api/v1/alarms", device=device_id, **query)
        assert answer.status == 200, answer
        items: list[dict[str, Any]] = answer.body["items"]
        return items

    async def alarm(self, device_id: str, **expected: object) -> dict[str, Any]:
        """Wait until an alarm of the device has these values, and return the newest such with its history."""

        async def newest() -> dict[str, Any] | None:
            return next((each for each in await self.alarms(device_id) if expected.items() <= each.items()), None)

        found = await until(newest, what=f"an alarm of {device_id} with {expected}")
        assert found is not None
        detail: dict[str, Any] = (await self.alarms_api.get(f"/api/v1/alarms/{found['alarm_id']}")).body
        return detail

    def api_of(self, name: str) -> Api:
        """What one process serves."""
        return self._apis[name]

    async def metrics(self, name: str = "up") -> Metrics:
        """One scrape of one process."""
        answer = await self.api_of(name).by(None).get("/metrics")
        assert answer.status == 200
        return Metrics(answer.body)

    async def close_alarms(self, device_id: str) -> None:
        """Leave no alarm of this device open: nobody would answer it, and it would escalate into other tests."""
        for alarm in await self.alarms(device_id[:64]):
            if alarm["state"] != "closed":
                note = f"tidied up after {PRIVATE}"
                body = {"operator": "night-shift", "outcome": "data_quality", "note": note}
                await self.alarms_api.post(f"/api/v1/alarms/{alarm['alarm_id']}/close", body)

    def assert_discreet(self) -> None:
        """Nothing secret and nothing private may stand in a log."""
        log = "".join(each.log() for each in self.programs.values())
        password = urlsplit(self.settings["DATABASE_URL"]).password
        assert password
        for secret in (password, self.settings["BOOTSTRAP_TOKEN"], *self.receiver.secrets, PRIVATE):
            assert secret.removeprefix("whsec_") not in log, f"{secret} is in the log"

    def assert_untroubled(self, *, but: Collection[str] = ()) -> None:
        """Every line of the logs is JSON, and none tells of a mistake of ours (`but`: known ones, by their class)."""
        for each in self.programs.values():
            for line in map(json.loads, each.log().splitlines()):
                assert line["event"]
                assert {one["exc_type"] for one in line.get("exception", ())} <= set(but), line

    def assert_every_notification_kept_its_word(self) -> None:
        """What must be true of all that was ever sent to a webhook, whatever the test."""
        assert self.receiver.refused == [], self.receiver.refused
        assert self.receiver.followed_redirects == 0
        bodies: dict[str, bytes] = {}
        for delivery in self.receiver.deliveries:
            assert delivery.notification["id"] == delivery.id
            assert bodies.setdefault(delivery.id, delivery.body) == delivery.body


def registration(device_id: str, council: str) -> dict[str, object]:
    """The body that registers a device."""
    return {
        "device_id": device_id,
        "council_id": council,
        "serial": device_id[::-1],
        "model": "Careline 3",
        "postcode_district": "G12",
        "sim_operator": "23410",
        "installation_ref": f"ref-{device_id}",
    }


def new_id(prefix: str = "TC") -> str:
    """An id that no other test uses."""
    return f"{prefix}-{secrets.token_hex(5)}"


async def make_boxes(installation: Installation) -> AsyncIterator[MakeBox]:
    """Devices that are gone, with their alarms closed, when the test is over."""
    boxes: list[Box] = []

    async def make(
        *,
        council: str = COUNCIL,
        registered: bool = True,
        topic_council: str | None = None,
        device_id: str | None = None,
        version: Version = 5,
    ) -> Box:
        box = Box(installation.broker, device_id or new_id(), topic_council or council, version=version)
        if registered:
            await installation.register(box.device_id, council)
        boxes.append(box)
        await box.connect()
        return box

    yield make
    for box in boxes:
        box.close()
        await installation.close_alarms(box.device_id)
