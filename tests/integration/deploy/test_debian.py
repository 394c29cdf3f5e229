"""deploy/debian, tried for real: a Debian 13 that boots, the script run on it, and a press that reaches a hub.

One machine for all tests here, in their order, as its life would have it: installed, used, installed anew, rebooted.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from tests.blackbox.box import now
from tests.blackbox.installation import registration
from tests.support.debian import Debian
from tests.support.stack import DEPLOY
from tests.support.waiting import until

pytestmark = [pytest.mark.real_stack, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

NAME = "telecare.example"
AUTHORITY = "/etc/telecare/tls/authority.crt"
HUB_PORT = "9000"
UNITS = [
    f"telecare-{unit}.service"
    for unit in (DEPLOY / "debian" / "install").read_text().partition("telecare-{")[2].partition("}")[0].split(",")
]
INSTALL = ("/src/deploy/debian/install", "/src/wheels", NAME, "192.0.2.7")


@dataclass
class Machine:
    """The Debian, and what its hub has heard."""

    debian: Debian
    token: str = ""
    secret: str = field(default_factory=lambda: f"whsec_{b64encode(secrets.token_bytes(24)).decode()}")
    boxes: dict[str, str] = field(default_factory=dict)  # passwords by device id

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Asked through nginx, by HTTPS, trusting the trial's authority only."""
        ask = ["curl", "--silent", "--show-error", "--fail-with-body", "--cacert", AUTHORITY, "--request", method]
        ask += ["--header", f"Authorization: Bearer {self.token}", "--header", "Content-Type: application/json"]
        ask += [] if body is None else ["--data-binary", json.dumps(body)]
        answer = self.debian.run(*ask, f"https://localhost{path}").stdout
        return json.loads(answer) if answer else None

    def mqtt(self, program: str, who: str, password: str, *more: str) -> str:
        """One of Mosquitto's own clients, by TLS."""
        where = ["-h", "localhost", "-p", "8883", "--cafile", AUTHORITY, "-V", "mqttv5", "-q", "1"]
        return self.debian.run(program, *where, "-i", who, "-u", who, "-P", password, *more, timeout_s=30).stdout

    def box(self, device_id: str) -> None:
        """Register one, and let it fetch its credential."""
        body = registration(device_id, "glasgow-city")
        serial = body["serial"]
        self.api("POST", "/api/v1/devices", body)
        claim = self.api("POST", f"/api/v1/devices/{device_id}/claim")["claim"]["code"]
        topic = f"telecare/v1/provisioning/{serial}"
        request = json.dumps({"claim": claim, "nonce": secrets.token_urlsafe(16)})
        answer = self.mqtt(
            "mosquitto_rr", f"claim:{serial}", claim, "-t", f"{topic}/request", "-e", f"{topic}/response", "-m", request
        )
        self.boxes[device_id] = json.loads(answer)["password"]

    def press(self, device_id: str) -> None:
        press = {"boot_id": secrets.token_hex(8), "seq": 1, "sent_at": now(), "kind": "personal_trigger"}
        topic = f"telecare/v1/devices/glasgow-city/{device_id}/alarm"
        self.mqtt("mosquitto_pub", device_id, self.boxes[device_id], "-t", topic, "-m", json.dumps(press))

    async def told(self, device_id: str, type_: str = "alarm.raised") -> dict[str, Any]:
        """Wait until the hub has heard this of the device; its signature must be ours."""

        def heard() -> dict[str, Any] | None:
            file = self.debian.root / "srv" / "hub.jsonl"
            for line in file.read_text().splitlines() if file.exists() else []:
                delivery = json.loads(line)
                notification: dict[str, Any] = json.loads(delivery["body"])
                if (notification["type"], notification["data"].get("device_id")) == (type_, device_id):
                    Webhook(self.secret).verify(delivery["body"], delivery["headers"])
                    return notification["data"]
            return None

        return await until(heard, 30, what=f"the hub to be told {type_} of {device_id}")

    def active(self) -> set[str]:
        return {unit for unit in UNITS if self.debian.run("systemctl", "is-active", unit, check=False).returncode == 0}

    def journal(self) -> str:
        return self.debian.run("journalctl", "--no-pager", "--lines=60", "--unit=telecare-*", check=False).stdout

    async def ready(self) -> None:
        """Wait until nginx finds an alerts and a registry that are ready."""
        asked = ["curl", "--silent", "--fail", "--cacert", AUTHORITY, "https://localhost/readyz"]

        async def answers() -> bool:
            return (await asyncio.to_thread(self.debian.run, *asked, check=False)).returncode == 0

        await until(answers, 60, what="readiness")

    def start_hub(self) -> None:
        self.debian.run("systemd-run", "--unit=hub", "/usr/bin/python3", "/src/hub.py", HUB_PORT, "/srv/hub.jsonl")


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Debian:
    folder = tmp_path_factory.mktemp("debian")
    debian = Debian.made(folder / "root")
    made = subprocess.run(
        [DEPLOY / "debian" / "wheels", debian.root / "src" / "wheels"],
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"PYTHON": sys.executable},
    )
    assert made.returncode == 0, made.stderr
    shutil.copy(Path(__file__).parents[2] / "support" / "debian_hub.py", debian.root / "src" / "hub.py")
    return debian


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(debian: Debian) -> AsyncIterator[Machine]:
    """Installed, with a hub and a person who may do anything."""
    async with debian.booted():
        installed = debian.run(*INSTALL, timeout_s=300)
        assert "next: docs/operations.md" in installed.stdout, installed.stdout
        machine = Machine(debian)
        machine.token = debian.run("telecare", "token", "create", "us", "--role", "ops").stdout.split()[-1]
        machine.start_hub()
        channel = {
            "kind": "webhook",
            "url": f"http://127.0.0.1:{HUB_PORT}/",
            "secret": machine.secret,
            "verified": True,
        }
        machine.api("PUT", "/api/v1/hubs/clyde-arc", {"name": "Clyde", "channels": [channel]})
        machine.api("PUT", "/api/v1/councils/glasgow-city/routing", {"hubs": ["clyde-arc"]})
        yield machine


async def test_installed_from_nothing_it_delivers_an_alarm_from_mosquitto_pub_to_the_hub(machine: Machine) -> None:
    assert machine.active() == set(UNITS), machine.journal()
    await machine.ready()
    machine.box("TC-000123")
    machine.press("TC-000123")
    data = await machine.told("TC-000123")
    taken = machine.api("POST", f"/api/v1/alarms/{data['alarm_id']}/acknowledge", {"operator": "Isla"})
    assert taken["state"] == "acknowledged"
