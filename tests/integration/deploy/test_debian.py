"""deploy/debian, tried for real: a Debian 13 that boots, the script run on it, and a press that reaches a hub.

One machine for all tests here, in their order, as its life would have it: installed, used, installed anew, rebooted.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from standardwebhooks import Webhook

from tests.blackbox.box import REPEATED_AFTER_S, now
from tests.blackbox.installation import registration
from tests.integration.deploy.rules import shipped_rules
from tests.support.debian import Debian
from tests.support.stack import DEPLOY
from tests.support.waiting import until

pytestmark = [pytest.mark.real_stack, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

NAME = "telecare.example"
AUTHORITY = "/etc/telecare/tls/authority.crt"
HUB_PORT = "9000"
UNITS = {
    f"telecare-{service}@{port}.service"
    for service, port in re.findall(r"\b(ingest|alerts|registry)@(\d+)", (DEPLOY / "debian" / "install").read_text())
}
PORTS = {unit.partition("@")[2].removesuffix(".service") for unit in UNITS}
WATCHING = ("prometheus.service", "prometheus-alertmanager.service")
WATCH = "/etc/prometheus/telecare"
DEAD_MANS_SWITCH_PORT = "9001"
# As the page has it.
WHO_IS_TOLD = f"echo http://127.0.0.1:{DEAD_MANS_SWITCH_PORT}/ >/etc/prometheus/alertmanager/watchdog.url"
INSTALL = ("/src/deploy/debian/install", "/src/wheels", NAME, "192.0.2.7")
# Debian's units, each of which Debian leaves dead, or gives up after five starts.
POSTGRESQL, MOSQUITTO, NGINX = "postgresql@17-main.service", "mosquitto.service", "nginx.service"
NGINX_WILL_REFUSE = (
    "echo 'nonsense;' >/etc/nginx/conf.d/theirs.conf; echo '# of a newer release' >>/src/deploy/proxy/telecare.conf"
)
NEW_RULE = "groups: [{name: new, rules: [{alert: TelecareNew, expr: vector(0) > 1}]}]"
# The script is cut short just after it has said `--- start`, and root's umask is one of those that hardened hosts have.
CUT_SHORT = """
mkdir -p /srv/bin
printf '#!/bin/sh\\n[ "$1" != daemon-reload ] || exit 1\\nexec /usr/bin/systemctl "$@"\\n' >/srv/bin/systemctl
chmod 755 /srv/bin/systemctl
umask 027
PATH=/srv/bin:$PATH exec "$@"
"""

COME_LATER = "503"


def a_press() -> str:
    return json.dumps({"boot_id": secrets.token_hex(8), "seq": 1, "sent_at": now(), "kind": "personal_trigger"})


@dataclass
class Machine:
    """The Debian, and what its hub has heard."""

    debian: Debian
    power: AsyncExitStack
    token: str = ""
    secret: str = field(default_factory=lambda: f"whsec_{b64encode(secrets.token_bytes(24)).decode()}")
    boxes: dict[str, str] = field(default_factory=dict)  # passwords by device id

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """Asked through nginx, by HTTPS, trusting the trial's authority only; again for as long as we are told to come later.

        That is what a change is told which could not be audited within three seconds: nothing was done.
        """
        ask = ["curl", "--silent", "--show-error", "--cacert", AUTHORITY, "--request", method]
        ask += ["--header", f"Authorization: Bearer {self.token}", "--header", "Content-Type: application/json"]
        ask += [] if body is None else ["--data-binary", json.dumps(body)]
        ask += ["--write-out", "\n%{http_code}", f"https://localhost{path}"]

        def answered() -> tuple[str, str] | None:
            answer, _, status = self.debian.run(*ask).stdout.rpartition("\n")
            return None if status == COME_LATER else (status, answer)

        status, answer = await until(answered, 90, what=f"{method} {path} to be taken or refused")
        assert status.startswith("2"), f"{method} {path}: {status}: {answer}"
        return json.loads(answer) if answer else None

    def mqtt(
        self, program: str, who: str, password: str, *more: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """One of Mosquitto's own clients, by TLS."""
        where = ["-h", "localhost", "-p", "8883", "--cafile", AUTHORITY, "-V", "mqttv5", "-q", "1"]
        argv = (program, *where, "-i", who, "-u", who, "-P", password, *more)
        return self.debian.run(*argv, check=check, timeout_s=60)

    async def box(self, device_id: str) -> None:
        """Register one, and let it fetch its credential: the broker knows of a claim seconds after it was issued."""
        body = registration(device_id, "glasgow-city")
        serial = body["serial"]
        await self.api("POST", "/api/v1/devices", body)
        claim = (await self.api("POST", f"/api/v1/devices/{device_id}/claim"))["claim"]["code"]
        topic = f"telecare/v1/provisioning/{serial}"
        request = json.dumps({"claim": claim, "nonce": secrets.token_urlsafe(16)})
        lines = ("-t", f"{topic}/request", "-e", f"{topic}/response", "-m", request)
        answer = await self.answered(f"claim:{serial}", claim, *lines)
        self.boxes[device_id] = json.loads(answer)["password"]

    async def answered(self, who: str, password: str, *lines: str) -> str:
        """What is said to a message, which is sent again, byte for byte, for as long as nothing is, as every box must.

        A broker keeps nothing for a session that it does not know: of our processes one may be back after the other.
        """

        failed: list[str] = []

        def answer() -> str | None:
            done = self.mqtt("mosquitto_rr", who, password, "-W", f"{REPEATED_AFTER_S:.0f}", *lines, check=False)
            if done.returncode == 0:
                return done.stdout
            failed.append(f"exit code {done.returncode}: {done.stdout}")
            return None

        try:
            return await until(answer, 90, what=f"the broker to let in {who}, and an answer to it")
        except AssertionError as error:
            error.add_note(failed[-1])
            raise

    async def alarm(self, device_id: str) -> None:
        """Press until it is receipted."""
        topic = f"telecare/v1/devices/glasgow-city/{device_id}"
        lines = ("-t", f"{topic}/alarm", "-e", f"{topic}/receipt", "-m", a_press())
        await self.answered(device_id, self.boxes[device_id], *lines)

    def press(self, device_id: str) -> None:
        """Once."""
        topic = f"telecare/v1/devices/glasgow-city/{device_id}/alarm"
        self.mqtt("mosquitto_pub", device_id, self.boxes[device_id], "-t", topic, "-m", a_press())

    async def told(self, device_id: str, type_: str = "alarm.raised") -> dict[str, Any]:
        """Wait until the hub has heard this of the device; its signature must be ours."""

        def heard() -> dict[str, Any] | None:
            file = self.debian.root / "srv" / "hub.jsonl"
            for line in written(file):
                delivery = json.loads(line)
                notification: dict[str, Any] = json.loads(delivery["body"])
                if (notification["type"], notification["data"].get("device_id")) == (type_, device_id):
                    Webhook(self.secret).verify(delivery["body"], delivery["headers"])
                    data: dict[str, Any] = notification["data"]
                    return data
            return None

        return await until(heard, 90, what=f"the hub to be told {type_} of {device_id}")

    def active(self) -> set[str]:
        return {unit for unit in UNITS if self.debian.run("systemctl", "is-active", unit, check=False).returncode == 0}

    def journal(self) -> str:
        return self.debian.run("journalctl", "--no-pager", "--lines=60", "--unit=telecare-*", check=False).stdout

    async def ready(self) -> None:
        """Wait until nginx finds an alerts that is ready, and each process is: of each kind nginx may ask either."""
        urls = ("https://localhost/readyz", *(f"http://127.0.0.1:{port}/readyz" for port in sorted(PORTS)))
        asked = ["curl", "--silent", "--fail", "--fail-early", "--cacert", AUTHORITY, *urls]

        async def answers() -> bool:
            return (await asyncio.to_thread(self.debian.run, *asked, check=False)).returncode == 0

        await until(answers, 120, what="readiness")

    async def power_cut(self) -> None:
        """Whatever runs is killed, and the machine is switched on again."""
        await self.power.aclose()
        await self.power.enter_async_context(self.debian.booted())

    def start_hub(self, name: str = "hub", port: str = HUB_PORT) -> None:
        self.debian.run("systemd-run", f"--unit={name}", "/usr/bin/python3", "/src/hub.py", port, f"/srv/{name}.jsonl")

    def asked(self, url: str) -> Any:
        """What a server on loopback answers to who is on the machine; None where there is no answer."""
        told = self.debian.run("curl", "--silent", "--fail", url, check=False)
        return json.loads(told.stdout) if told.returncode == 0 else None

    def rules(self) -> dict[str, str]:
        """Prometheus's own word on each alert that it has loaded: ok, unknown (not looked at yet), or err."""
        told = self.asked("http://127.0.0.1:9090/api/v1/rules?type=alert")
        return {rule["name"]: rule["health"] for group in told["data"]["groups"] for rule in group["rules"]}

    def away(self, unit: str) -> tuple[int, int]:
        """When it stopped last, and when it said that it had started again, in microseconds since the machine did."""
        times = ("InactiveEnterTimestampMonotonic", "ActiveEnterTimestampMonotonic")
        asked = (self.debian.run("systemctl", "show", f"--property={each}", "--value", unit).stdout for each in times)
        stopped, started = map(int, asked)
        return stopped, started

    def main_pids(self, *units: str) -> list[str]:
        return self.of_units("MainPID", *units)

    def of_units(self, property_: str, *units: str) -> list[str]:
        return self.debian.run("systemctl", "show", f"--property={property_}", "--value", *units).stdout.split()

    def presented(self, port: int) -> str:
        """The serial number of the certificate that is presented there."""
        ask = f"openssl s_client -connect localhost:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial"
        return self.debian.run_shell(ask)


def written(file: Path) -> list[str]:
    """What a hub has written down: whole lines, for of the last, half may be written."""
    return file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Debian:
    folder = tmp_path_factory.mktemp("debian")
    with subprocess.Popen(  # they come while the file system is made
        [DEPLOY / "debian" / "wheels", folder / "wheels"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHON": sys.executable},
    ) as wheels:
        debian = Debian.made(folder / "root")
        said, _ = wheels.communicate(timeout=300)
    assert wheels.returncode == 0, said
    shutil.move(folder / "wheels", debian.root / "src" / "wheels")
    shutil.copy(Path(__file__).parents[2] / "support" / "debian_hub.py", debian.root / "src" / "hub.py")
    return debian


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(debian: Debian) -> AsyncIterator[Machine]:
    """Installed, with a hub and a person who may do anything."""
    async with AsyncExitStack() as power:
        await power.enter_async_context(debian.booted())
        dropped = debian.root / "src" / "deploy" / "prometheus" / "rules" / "dropped.rules.yml"
        dropped.write_text("groups: []\n")
        cut_short = debian.run("sh", "-euc", CUT_SHORT, "sh", *INSTALL, check=False, timeout_s=300)
        assert cut_short.returncode == 1, cut_short.stdout
        assert cut_short.stdout.endswith("--- start\n"), cut_short.stdout
        dropped.unlink()
        installed = debian.run("sh", "-euc", 'umask 027; exec "$@"', "sh", *INSTALL, timeout_s=300)
        assert "next: docs/operations.md" in installed.stdout, installed.stdout
        assert "stays as it is" not in installed.stdout
        assert "way back" not in installed.stdout
        assert "alerts wake nobody yet" in installed.stdout
        machine = Machine(debian, power)
        machine.start_hub("switch", DEAD_MANS_SWITCH_PORT)
        debian.run_shell(WHO_IS_TOLD)
        machine.token = debian.run("telecare", "token", "create", "us", "--role", "ops").stdout.split()[-1]
        # What the template says in a comment: the hub of this test is on the machine itself.
        debian.run_shell("echo TELECARE_WEBHOOK_ALLOW_CIDRS=127.0.0.0/8 >>/etc/telecare/telecare.env")
        debian.run("systemctl", "restart", *UNITS, timeout_s=200)
        machine.start_hub()
        channel = {
            "kind": "webhook",
            "url": f"http://127.0.0.1:{HUB_PORT}/",
            "secret": machine.secret,
            "verified": True,
        }
        await machine.api("PUT", "/api/v1/hubs/clyde-arc", {"name": "Clyde", "channels": [channel]})
        await machine.api("PUT", "/api/v1/councils/glasgow-city/routing", {"hubs": ["clyde-arc"]})
        yield machine


async def test_installed_from_nothing_it_delivers_an_alarm_of_mosquittos_own_client_to_the_hub(
    machine: Machine,
) -> None:
    assert machine.active() == UNITS, machine.journal()
    await machine.ready()
    await machine.box("TC-000123")
    await machine.alarm("TC-000123")
    data = await machine.told("TC-000123")
    taken = await machine.api("POST", f"/api/v1/alarms/{data['alarm_id']}/acknowledge", {"operator": "Isla"})
    assert taken["state"] == "acknowledged"


async def test_a_first_run_that_was_cut_short_is_made_good_by_the_next(machine: Machine) -> None:
    """The fixture cut one short, when all was in place and nothing had been told; Debian's broker lets in anybody on loopback."""
    anybody = ("mosquitto_pub", "-h", "127.0.0.1", "-t", "anything", "-m", "x")
    refused = machine.debian.run(*anybody, check=False)
    assert refused.returncode != 0
    assert "not authorised" in refused.stdout.lower()
    rules = machine.debian.run_shell(f"ls {WATCH}/rules").split()
    assert rules == sorted(each.name for each in (DEPLOY / "prometheus" / "rules").glob("*.rules.yml"))


async def test_the_units_are_sound_and_leave_the_services_little_to_break(machine: Machine) -> None:
    machine.debian.run("systemd-analyze", "verify", *UNITS)
    for unit in UNITS:
        # 0 is a service that may do nothing, 100 one that may do everything; systemd calls ours 12, of which 8 are its network.
        machine.debian.run("systemd-analyze", "security", "--no-pager", "--threshold=15", unit)
    pid = machine.debian.run(
        "systemctl", "show", "--property=MainPID", "--value", "telecare-alerts@8080"
    ).stdout.strip()
    status = machine.debian.run_shell(f"cat /proc/{pid}/status")
    assert re.search(r"^Uid:\s+(?!0\b)\d+", status, re.MULTILINE), "not root"
    for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status
    # Secrets are in no environment, and nobody but root reads them.
    environment = machine.debian.run_shell(f"tr '\\0' '\\n' </proc/{pid}/environ")
    assert "TELECARE_MQTT_URL" not in environment
    assert machine.debian.run_shell("stat -c '%a %U' /etc/telecare/credentials /etc/telecare/credentials/*").split(
        "\n"
    ) == ["700 root", *["600 root"] * 3, ""]


async def test_who_is_outside_reaches_only_https_and_mqtt_by_tls(machine: Machine) -> None:
    listening = machine.debian.run("ss", "--no-header", "--listening", "--tcp", "--numeric").stdout
    addresses = {line.split()[3] for line in listening.splitlines()}
    assert {each.rpartition(":")[2] for each in addresses if not each.startswith(("127.", "[::1]"))} == {
        "80", "443", "8883",
    }  # fmt: skip
    for path in ("/metrics", "/docs", "/openapi.json"):
        told = machine.debian.run(
            "curl", "-so", "/dev/null", "-w", "%{http_code}", "--cacert", AUTHORITY, f"https://localhost{path}"
        )
        assert told.stdout == "404", path
    told = machine.debian.run(
        "curl", "-so", "/dev/null", "-w", "%{http_code} %{redirect_url}", "http://localhost/console/"
    )
    assert told.stdout == "308 https://localhost/console/"


async def test_the_command_line_and_the_canary_work_as_the_page_has_them(machine: Machine) -> None:
    token = f"TELECARE_API_TOKEN={machine.token}"
    machine.debian.run("env", token, "telecare", "device", "list")
    machine.debian.run(
        "env", token, "telecare", "canary", "set-up", "--file", "/var/lib/telecare/canary.json", timeout_s=120
    )
    machine.debian.run("systemctl", "start", "telecare-canary")

    def delivered() -> bool:
        told = machine.debian.run("curl", "--silent", "http://127.0.0.1:9466/metrics", check=False).stdout
        return bool(re.search(r'^telecare_canary_presses_total\{.*outcome="delivered".*\} [1-9]', told, re.MULTILINE))

    await until(delivered, 90, what="the canary's press to be delivered")
    machine.debian.run("systemd-analyze", "verify", "telecare-canary.service")


async def test_prometheus_scrapes_every_process_and_alertmanager_feeds_the_dead_mans_switch(machine: Machine) -> None:
    """The canary runs by now. Debian's own configuration listens to everybody and knows none of us."""
    ports = PORTS | {"9466", "9090", "9093"}

    def all_up() -> bool:
        if (told := machine.asked("http://127.0.0.1:9090/api/v1/targets")) is None:
            return False  # it was started with the machine's other units, and is not up itself
        targets = {each["labels"]["instance"]: each["health"] for each in told["data"]["activeTargets"]}
        return targets == {f"127.0.0.1:{port}": "up" for port in ports}  # those of one file before those of another

    await until(all_up, 90, what=f"every target of {ports}, and no other, to be up")
    await until(
        lambda: machine.rules() == {rule["alert"]: "ok" for rule in shipped_rules("alert")}, 90, what="our rules"
    )

    # What nginx and the broker present was seen by each process, and nobody would refuse it.
    fault = "http://127.0.0.1:9090/api/v1/query?query=sum%20by%20(listener)%20(telecare_listener_fault)"

    def seen() -> bool:
        found = machine.asked(fault)["data"]["result"]
        listeners = {each["metric"]["listener"]: each["value"][1] for each in found}
        return listeners == {f"https://{NAME}:443": "0", f"mqtts://{NAME}:8883": "0"}

    await until(seen, 90, what="what is presented to be seen, and no fault in it")

    loaded = yaml.safe_load(machine.asked("http://127.0.0.1:9093/api/v2/status")["config"]["original"])
    shipped = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    assert {each["name"] for each in loaded["receivers"]} == {each["name"] for each in shipped["receivers"]}
    assert len(loaded["inhibit_rules"]) == len(shipped["inhibit_rules"])
    heard = machine.debian.root / "srv" / "switch.jsonl"
    await until(lambda: heard.exists() and "TelecareWatchdog" in heard.read_text(), 90, what="the watchdog")
    assert machine.debian.run_shell("stat -c '%a %U %G' /etc/prometheus/alertmanager") == "750 root prometheus\n"


async def test_a_prometheus_that_somebody_has_set_up_is_not_taken_over(machine: Machine) -> None:
    pids, kept = machine.main_pids(*WATCHING), "/etc/systemd/system/prometheus.service.d/telecare.conf"
    machine.debian.run_shell(
        f"mv {kept} /srv/kept; cp -a /etc/prometheus/prometheus.yml /srv/; echo '# ours' >>/etc/prometheus/prometheus.yml"
    )
    refused = machine.debian.run(*INSTALL, check=False)
    left_alone = machine.debian.run(INSTALL[0], "--no-prometheus", INSTALL[1], "another.example", timeout_s=300)
    untouched = machine.debian.run_shell(f"tail -n 1 /etc/prometheus/prometheus.yml; test -e {kept} || echo none there")
    machine.debian.run_shell(f"mv /srv/kept {kept}; mv /srv/prometheus.yml /etc/prometheus/prometheus.yml")
    assert refused.returncode == 1, refused.stdout
    assert "--no-prometheus" in refused.stdout
    assert f"let your Prometheus read {WATCH}/scrape.yml" in left_alone.stdout, left_alone.stdout
    assert "next: docs/operations.md" in left_alone.stdout
    assert untouched == "# ours\nnone there\n"
    assert machine.main_pids(*WATCHING) == pids
    assert machine.active() == UNITS
    # And another name is not passed over in silence.
    for file in ("tls/http.crt", "tls/broker.crt"):
        assert f"/etc/telecare/{file} stays as it is, and is not for another.example: " in left_alone.stdout
    assert f"links begin with {NAME}, and not with another.example" in left_alone.stdout


async def test_a_renewed_certificate_is_presented_by_one_command_that_restarts_nothing(machine: Machine) -> None:
    everybody = (MOSQUITTO, NGINX, POSTGRESQL, *sorted(UNITS), *WATCHING)
    pids, before = machine.main_pids(*everybody), [machine.presented(8883), machine.presented(443)]
    machine.debian.run(f"{INSTALL[0].rpartition('/debian')[0]}/certificates", "/etc/telecare/tls", *INSTALL[2:])
    machine.debian.run("telecare-certificates")
    renewed = [
        machine.debian.run_shell(f"openssl x509 -noout -serial -in /etc/telecare/tls/{each}.crt")
        for each in ("broker", "http")
    ]
    assert set(renewed).isdisjoint(before)
    await until(
        lambda: [machine.presented(8883), machine.presented(443)] == renewed, 30, what="the new ones to be presented"
    )
    assert machine.main_pids(*everybody) == pids


async def test_grafana_logs_in_with_what_the_pages_command_prints(machine: Machine) -> None:
    password = machine.debian.run("sh", "-c", "telecare grafana login 2>/dev/null").stdout.strip()
    asked = ["env", f"PGPASSWORD={password}", "psql", "-h", "127.0.0.1", "-U", "grafana", "-At", "telecare", "-c"]
    assert machine.debian.run(*asked, "select count(*) from registry.rollout_council").stdout == "33\n"
    refused = machine.debian.run(*asked, "select count(*) from registry.device", check=False)
    assert "permission denied" in refused.stdout
    lifted = ["env", "PGOPTIONS=-c default_transaction_read_only=off", *asked]  # as any session may
    for fills in ("create temp table mine as select 1", "select lo_create(0)", "set temp_file_limit = -1"):
        refused = machine.debian.run(*lifted, fills, check=False)
        assert "permission denied" in refused.stdout, fills


async def test_a_process_whose_loop_hangs_is_killed_and_comes_back(machine: Machine) -> None:
    unit = "telecare-alerts@8090.service"
    drop_in = f"/run/systemd/system/{unit}.d"
    machine.debian.run_shell(
        f"mkdir -p {drop_in}; printf '[Service]\\nWatchdogSec=15s\\n' >{drop_in}/soon.conf; systemctl daemon-reload"
    )
    machine.debian.run("systemctl", "restart", unit, timeout_s=120)

    def main_pid() -> str:
        return machine.debian.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout.strip()

    hung = main_pid()
    machine.debian.run("kill", "-STOP", hung)
    await until(lambda: main_pid() not in {hung, "0"}, 150, what="another process")
    # Stopped as it was, it would have been there for ever; a restart by hand counts as none.
    assert machine.debian.run("systemctl", "show", "--property=NRestarts", "--value", unit).stdout.strip() == "1"
    machine.debian.run_shell(f"rm -r {drop_in}; systemctl daemon-reload")
    machine.debian.run("systemctl", "restart", unit, timeout_s=120)


async def test_restarted_as_the_page_has_it_one_of_two_works_at_any_moment(machine: Machine) -> None:
    """A unit stops only when the one before it has started."""
    await asyncio.to_thread(machine.debian.run, "telecare-restart", timeout_s=200)
    assert machine.active() == UNITS, machine.journal()
    away = sorted([*map(machine.away, UNITS), machine.away("telecare-canary.service")])
    assert all(stop > 0 for stop, _ in away[1:]), away
    assert all(started <= stop for (_, started), (stop, _) in pairwise(away)), away


@pytest.mark.parametrize(
    ("broken", "mended", "why"),
    [
        (
            "cp -a /etc/telecare/tls/broker.key /srv/; cp /etc/telecare/tls/http.key /etc/telecare/tls/broker.key",
            "cp -a /srv/broker.key /etc/telecare/tls/",
            "/etc/telecare/tls/broker.key is not the key of /etc/telecare/tls/broker.crt",
        ),
        (
            f"echo '{NEW_RULE}' >/src/deploy/prometheus/rules/new.rules.yml; {NGINX_WILL_REFUSE}",
            "rm /etc/nginx/conf.d/theirs.conf",
            "nginx would not take that",
        ),
    ],
    ids=["another's key", "nginx refuses"],
)
async def test_an_upgrade_that_stops_leaves_the_release_before_as_what_runs_and_is_started_again(
    machine: Machine, broken: str, mended: str, why: str
) -> None:
    in_place = "readlink /opt/telecare/current; cd /etc; sha256sum mosquitto/certs/* nginx/telecare/* nginx/conf.d/*"
    before = machine.debian.run_shell(in_place)
    machine.debian.run_shell("echo '# of a newer release' >>/src/wheels/requirements.lock")
    machine.debian.run_shell(broken)
    stopped = machine.debian.run(*INSTALL, check=False, timeout_s=300)
    machine.debian.run_shell(mended)
    assert stopped.returncode == 1, stopped.stdout
    assert why in stopped.stdout
    assert "The release before still runs" in stopped.stdout
    assert machine.debian.run_shell(in_place) == before
    assert machine.active() == UNITS


async def test_installed_again_it_changes_no_secret_and_loses_no_press_meanwhile(machine: Machine) -> None:
    secrets_before = machine.debian.run_shell(
        "sha256sum /etc/telecare/credentials/* /etc/telecare/tls/* /etc/telecare/telecare.env"
    )
    await machine.box("TC-000124")
    # What is not restarted for nothing: the broker, which would be a gap, and who watches, which would forget since when.
    quiet = machine.main_pids(MOSQUITTO, POSTGRESQL, *WATCHING)
    # The rule was put in place by a run that nginx stopped, above, and Prometheus was not told of it.
    assert "TelecareNew" not in machine.rules()
    assert machine.debian.run_shell(f"cat {WATCH}/rules/new.rules.yml") == f"{NEW_RULE}\n"
    for setting in ("log_min_duration_statement = 2000", "max_connections = 210"):
        machine.debian.run_shell(f"echo '{setting}' >>/src/deploy/postgresql/telecare.conf")
    release = machine.debian.run_shell("readlink /opt/telecare/current").strip()
    machine.debian.run_shell(f"echo '# ours' >>{WATCH}/alertmanager.yml")
    machine.debian.run_shell("echo '# of a newer release' >>/src/deploy/alertmanager/alertmanager.yml")
    installing = asyncio.create_task(asyncio.to_thread(machine.debian.run, *INSTALL, timeout_s=300))
    pressed = 0
    while not installing.done():
        await asyncio.to_thread(machine.press, "TC-000124")
        pressed += 1
        await asyncio.wait({installing}, timeout=1.0)
    assert "next: docs/operations.md" in installing.result().stdout
    assert f"the way back: ln -sfn {release} /opt/telecare/current && telecare-restart" in installing.result().stdout
    assert "PostgreSQL takes max_connections at a restart only" in installing.result().stdout
    in_force = 'runuser -u postgres -- psql -Atc "show log_min_duration_statement; show max_connections"'
    assert machine.debian.run_shell(in_force) == "2s\n200\n"
    assert (
        f"yours is kept: diff {WATCH}/alertmanager.yml {WATCH}/alertmanager.yml.shipped" in installing.result().stdout
    )
    assert pressed > 1

    async def all_there() -> bool:
        alarms = (await machine.api("GET", "/api/v1/alarms?device=TC-000124"))["items"]
        return [each["event_count"] for each in alarms] == [pressed]

    await until(all_there, 90, what=f"all {pressed} presses in one alarm")
    assert secrets_before == machine.debian.run_shell(
        "sha256sum /etc/telecare/credentials/* /etc/telecare/tls/* /etc/telecare/telecare.env"
    )
    assert machine.main_pids(MOSQUITTO, POSTGRESQL, *WATCHING) == quiet
    await until(lambda: "TelecareNew" in machine.rules(), 90, what="a rule of the new release")
    assert machine.debian.run_shell(f"tail -qn 1 {WATCH}/alertmanager.yml*") == "# ours\n# of a newer release\n"


async def test_a_backup_is_restored_by_the_very_commands_that_the_page_has(machine: Machine) -> None:
    """The newest dump, which has no heartbeats, while somebody is in the database who is no unit of ours: Grafana's pool."""
    for what in ("all", "without-heartbeats"):
        machine.debian.run("systemd-analyze", "verify", f"backup-telecare@{what}.timer")
        machine.debian.run("systemctl", "start", f"backup-telecare@{what}.service")
    machine.debian.run_shell("ls /var/backups/telecare/*Z.dump")
    dump = machine.debian.run_shell("ls -t /var/backups/telecare/*.dump | head -n 1")
    assert dump.endswith("Z-without-heartbeats.dump\n"), dump
    pooled = ("setpriv", "--reuid=postgres", "--clear-groups", "psql", "telecare", "-c", "select pg_sleep(3600)")
    machine.debian.run("systemd-run", "--unit=pool", *pooled)
    in_it = (
        "runuser -u postgres -- psql -Atc \"select count(*) from pg_stat_activity where query ~ '^select pg_sleep'\""
    )
    await until(lambda: machine.debian.run_shell(in_it) == "1\n", 90, what="somebody in the database")
    (before,) = (await machine.api("GET", "/api/v1/alarms?device=TC-000124"))["items"]
    page = (
        (DEPLOY.parent / "docs" / "operations.md").read_text().partition("\nRestoring, as rehearsed")[2].split("```")[1]
    )
    written = re.search(r"/var/backups/telecare/telecare-\S+\.dump", page)
    assert written is not None
    machine.debian.run_shell(as_root(page.replace(written[0], dump.strip())), timeout_s=300)
    assert machine.active() == UNITS, machine.journal()
    await machine.ready()
    (after,) = (await machine.api("GET", "/api/v1/alarms?device=TC-000124"))["items"]
    assert after["alarm_id"] == before["alarm_id"]
    # Its password at the broker came from the database, and what it presses now joins what was open.
    await machine.alarm("TC-000124")

    async def joined() -> bool:
        alarm = await machine.api("GET", f"/api/v1/alarms/{after['alarm_id']}")
        return bool(alarm["event_count"] > before["event_count"])

    await until(joined, 90, what="the press in the alarm that was restored")


def as_root(commands: str) -> str:
    """The page's commands for a machine that has no sudo, whose root runs them."""
    return commands.replace("sudo -u postgres ", "runuser -u postgres -- ").replace("sudo ", "")


async def test_what_debian_would_leave_dead_comes_back_by_itself_however_often_it_fails(machine: Machine) -> None:
    """PostgreSQL, nginx and the broker, killed at once; the broker's next starts fail, more often than systemd tries by default."""
    killed = machine.main_pids(POSTGRESQL, NGINX, MOSQUITTO)
    assert machine.of_units("OOMPolicy", POSTGRESQL, NGINX) == ["continue", "continue"]
    # The kernel takes a backend before the postmaster, which is at -900 and sets its children back to nought. (Where root may not
    # lower the figure, as in most containers, it is not seen in /proc.)
    assert machine.of_units("OOMScoreAdjust", POSTGRESQL) == ["-900"]
    environment = machine.debian.run_shell(f"tr '\\0' '\\n' </proc/{killed[0]}/environ").splitlines()
    assert [each for each in environment if each.startswith("PG_OOM_ADJUST")] == [
        "PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj"
    ]
    machine.debian.run_shell("echo nonsense >/etc/mosquitto/conf.d/theirs.conf")
    machine.debian.run("kill", "-9", *killed)
    await until(lambda: int(machine.of_units("NRestarts", MOSQUITTO)[0]) > 6, 90, what="the broker to fail seven times")
    machine.debian.run_shell("rm /etc/mosquitto/conf.d/theirs.conf")
    back = (POSTGRESQL, NGINX, MOSQUITTO)
    await until(lambda: machine.of_units("ActiveState", *back) == ["active"] * 3, 90, what="all three to be back")
    assert set(machine.main_pids(*back)).isdisjoint({*killed, "0"})
    await machine.ready()
    await machine.box("TC-000126")
    await machine.alarm("TC-000126")
    await machine.told("TC-000126")
    assert set(machine.of_units("StartLimitIntervalUSec", *back, *WATCHING, *UNITS)) == {"0"}


async def test_whoever_is_called_arrives_at_the_runbook_though_no_service_runs(machine: Machine) -> None:
    """By the links that Alertmanager sent out; the next test brings the services back."""
    machine.debian.run("systemctl", "stop", *UNITS, timeout_s=200)

    def links() -> dict[str, str]:
        told = written(machine.debian.root / "srv" / "switch.jsonl")
        alerts = [alert for line in told for alert in json.loads(json.loads(line)["body"])["alerts"]]
        return alerts[-1]["annotations"] if alerts else {}

    def tapped(link: str) -> str:
        ask = ["curl", "--silent", "--show-error", "--cacert", AUTHORITY, "--resolve", f"{NAME}:443:127.0.0.1"]
        return machine.debian.run(*ask, "--write-out", "%{http_code} %{redirect_url}", link.partition("#")[0]).stdout

    found = await until(links, 90, what="a call")
    assert found["runbook_url"] == f"https://{NAME}/runbooks#telecarewatchdog"
    page = tapped(found["runbook_url"])
    assert page.endswith("200 ")
    assert '<h3 id="telecarewatchdog">' in page
    assert found["dashboard_url"].startswith(f"https://{NAME}/grafana/d/")
    assert tapped(found["dashboard_url"]).endswith(f"302 https://{NAME}/runbooks#grafana"), "where no Grafana is named"
    assert '<h3 id="grafana">' in page


async def test_after_a_power_cut_everything_is_back_by_itself(machine: Machine) -> None:
    await machine.power_cut()
    await machine.ready()
    assert machine.active() == UNITS, machine.journal()
    assert "0" not in machine.main_pids(*WATCHING)
    machine.start_hub()
    await machine.box("TC-000125")
    await machine.alarm("TC-000125")
    await machine.told("TC-000125")
