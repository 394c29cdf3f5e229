"""deploy/compose.yaml, read back against the code: no container engine runs here, so what can drift apart is held together."""

import inspect
import os
import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from services.chassis.settings import Settings
from services.cli.main import SERVICES, app
from tests.support.stack import DEPLOY, REPOSITORY, STACK

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SOURCES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "datasources.yaml").read_text())
OURS = ["migrate", *SERVICES]
STATEFUL = {"database", "broker", "prometheus", "alertmanager", "grafana"}
NAME = "telecare.example"
HOST = "${TELECARE_NAME:?run deploy/compose/prepare NAME first}"  # no container starts without
SECRETS, BACKUPS = DEPLOY / "compose" / "secrets", DEPLOY / "compose" / "backups"  # made by prepare

_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_HEALTH = {
    "oneOf": [
        {"type": "object", "required": ["disable"], "properties": {"disable": {"const": True}}},
        {
            "type": "object",
            "required": ["test", "interval", "timeout", "retries"],
            "properties": {
                "test": {
                    "type": "array",
                    "prefixItems": [{"const": "CMD"}],
                    "items": {"type": "string"},
                    "minItems": 2,
                },
                "interval": {"type": "string", "pattern": r"^\d+s$"},
                "timeout": {"type": "string", "pattern": r"^\d+s$"},
                "retries": {"type": "integer", "minimum": 1},
                "start_period": {"type": "string", "pattern": r"^\d+s$"},
            },
            "additionalProperties": False,
        },
    ]
}
_SERVICE = {
    "type": "object",
    # What every container of ours has: bounds, no privileges, a file system that it can't change, and a way back.
    "required": ["image", "read_only", "cap_drop", "security_opt", "restart", "healthcheck", "deploy", "logging"],
    "properties": {
        # A pinned tag, and no registry host.
        "image": {"type": "string", "pattern": r"^[a-z0-9-]+(/[a-z0-9-]+)?:v?\d+\.\d+\.\d+(-[a-z0-9-]+)?$"},
        "build": {"type": "object", "required": ["context", "dockerfile"]},
        "command": _TEXTS,
        "profiles": _TEXTS,
        "user": {"type": "string", "pattern": r"^[1-9]\d*:[1-9]\d*$"},
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "secrets": _TEXTS,
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^([\d.]+:)?\d+:\d+$"}},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[^:]+:/[^:]+(:ro)?$"}},
        "tmpfs": _TEXTS,
        "networks": {"type": ["array", "object"]},
        # Never `service:`: who shares the network of a container that is made anew stays in the old one, which is dead.
        "network_mode": {"const": "none"},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"condition": {"enum": ["service_healthy", "service_completed_successfully"]}},
                "required": ["condition"],
            },
        },
        "healthcheck": _HEALTH,
        "deploy": {
            "type": "object",
            "required": ["resources"],
            "properties": {
                "replicas": {"type": "integer"},
                "resources": {
                    "type": "object",
                    "properties": {
                        "limits": {
                            "type": "object",
                            "required": ["memory", "pids"],
                            "properties": {
                                "memory": {"type": "string", "pattern": r"^\d+[MG]$"},
                                "pids": {"type": "integer"},
                            },
                            "additionalProperties": False,
                        }
                    },
                    "required": ["limits"],
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
        "read_only": {"const": True},
        "cap_drop": {"const": ["ALL"]},
        "cap_add": _TEXTS,
        "security_opt": {"const": ["no-new-privileges:true"]},
        "restart": {"enum": ["always", "no"]},
        "logging": {"type": "object", "required": ["driver", "options"]},
        "shm_size": {"type": "string"},
        "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
    },
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "required": ["name", "services", "networks", "volumes", "secrets"],
    "properties": {
        "name": {"type": "string"},
        "services": {"type": "object", "additionalProperties": _SERVICE},
        "networks": {"type": "object"},
        "volumes": {"type": "object"},
        "secrets": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": {"type": "string"},
            },
        },
    },
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}


def test_it_is_a_compose_file_in_which_every_container_is_confined_bounded_and_watched() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(COMPOSE, SCHEMA)


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_whatever_a_container_names_is_there(name: str) -> None:
    service = COMPOSE["services"][name]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
    for source, _, _ in (each.partition(":") for each in service.get("volumes", [])):
        if not source.startswith("."):
            assert source in COMPOSE["volumes"]
        elif not any((DEPLOY / source).resolve().is_relative_to(made) for made in (SECRETS, BACKUPS)):
            assert (DEPLOY / source).exists(), f"{source} is mounted, and is not there"


def test_what_may_change_while_a_container_runs_is_mounted_as_a_directory() -> None:
    """A file that is mounted by itself stays the old one, whatever takes its place. What is read once, at a start, may be one."""
    files = {
        source
        for service in COMPOSE["services"].values()
        for source, _, _ in (each.partition(":") for each in service.get("volumes", []))
        if source.startswith("./") and ((DEPLOY / source).is_file() or Path(source).suffix not in {"", ".d"})
    }
    assert files == {"./compose/secrets/placed/initdb/900_telecare.sh"}, "which makes the database, once"
    # Nor is a certificate among the secrets, each of which the engine mounts as a file.
    assert {name for name in COMPOSE["secrets"] if not re.match(r"(telecare|postgres|grafana)_\w+$", name)} == set()


@pytest.mark.parametrize("name", OURS)
def test_ours_run_what_the_command_line_has_with_settings_that_there_are(name: str) -> None:
    service = COMPOSE["services"][name]
    commands = {each.name or getattr(each.callback, "__name__", "") for each in app.registered_commands}
    assert service["command"] == [name]
    assert name in commands
    settings = {f"TELECARE_{field}".upper() for field in Settings.model_fields} | {"TELECARE_SECRETS_DIR"}
    given = {each for each in service["environment"] if each.startswith("TELECARE_")}
    assert given <= settings
    secrets = {each.upper() for each in service["secrets"] if each.startswith("telecare_")}
    assert secrets <= settings
    required = {f"TELECARE_{name}".upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= given | secrets
    assert int(service["user"].split(":")[0]) >= 1000


# What one kind of host has no need to name, and why.
ON_DEBIAN_ONLY = {
    "TELECARE_API_URL": "in a container `telecare` is told with its token where to ask (docs/operations.md)"
}
IN_COMPOSE_ONLY = {
    "TELECARE_SECRETS_DIR": "systemd names its own, CREDENTIALS_DIRECTORY",
    "TELECARE_TLS_ELSEWHERE": "the network in between is loopback there",
    "TELECARE_WATCHDOG_S": "systemd's WatchdogSec is that there",
}


def test_a_setting_that_one_kind_of_host_names_is_named_by_the_other() -> None:
    """Set, or in a comment: else whoever changes hosts loses it."""

    def named(*texts: str) -> set[str]:
        return set(re.findall(r"\bTELECARE_[A-Z_]+\b", " ".join(texts))) - {"TELECARE_NAME"}

    made_by_install = re.findall(r"^secret (\w+) ", (DEPLOY / "debian" / "install").read_text(), re.MULTILINE)
    units = [path.read_text() for path in (DEPLOY / "systemd").rglob("*") if path.is_file()]
    # A secret is not only a file: some service must be given it.
    secrets = {each for service in OURS for each in COMPOSE["services"][service]["secrets"]}
    debian = named(*units, *(f"TELECARE_{each.upper()}" for each in made_by_install))
    compose = named((DEPLOY / "compose.yaml").read_text(), *(each.upper() for each in secrets))
    assert debian - compose == ON_DEBIAN_ONLY.keys()
    assert compose - debian == IN_COMPOSE_ONLY.keys()


def test_the_pairs_are_upgraded_by_the_script_that_the_page_names() -> None:
    script = (DEPLOY / "compose" / "upgrade").read_text()
    written = re.search(r"^for service in (.+); do$", script, re.MULTILINE)
    assert written is not None
    assert "sudo deploy/compose/upgrade --back" in (REPOSITORY / "docs" / "operations.md").read_text()
    replicas = {name: service["deploy"].get("replicas", 1) for name, service in COMPOSE["services"].items()}
    assert dict.fromkeys(written[1].split(), 2) == {name: count for name, count in replicas.items() if count > 1}


def test_grafana_waits_for_its_login_which_is_made_of_the_password_that_it_reads() -> None:
    from services.cli.registry import grafana_app

    maker, grafana = COMPOSE["services"]["grafana-login"], COMPOSE["services"]["grafana"]
    (login,) = [each.callback for each in grafana_app.registered_commands if each.name == "login"]
    assert login is not None
    noun, verb, option, file = maker["command"]
    assert (noun, verb) == ("grafana", "login")
    assert option.removeprefix("--").replace("-", "_") in inspect.signature(login).parameters
    (source,) = [each for each in SOURCES["datasources"] if each["uid"] == "telecare-database"]
    assert source["secureJsonData"]["password"] == f"$__file{{{file}}}"
    assert source["user"] == inspect.signature(login).parameters["name"].default
    assert {file.rpartition("/")[2]} == set(maker["secrets"]) & set(grafana["secrets"])
    required = {f"telecare_{name}" for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= set(maker["secrets"])
    assert grafana["depends_on"] == {"grafana-login": {"condition": "service_completed_successfully"}}


def test_its_settings_and_secrets_are_taken_by_the_code_and_expose_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As prepare makes them; what TELECARE_TLS_ELSEWHERE says is about HTTP alone."""
    from services.chassis.exposure import exposures
    from services.chassis.settings import load_settings

    environment = COMPOSE["services"]["alerts"]["environment"]
    assert environment["TELECARE_TLS_ELSEWHERE"] == "http"
    for line in re.findall(
        r'^secret (telecare_\w+_url) "(.+)"$', (DEPLOY / "compose" / "prepare").read_text(), re.MULTILINE
    ):
        filled = re.sub(r"\$\((?:[^()]|\([^)]*\))*\)", "secret", line[1]).replace("$name", NAME)
        (tmp_path / line[0]).write_text(filled)
    for setting, value in environment.items():
        monkeypatch.setenv(setting, value.replace(HOST, NAME))
    monkeypatch.setenv("TELECARE_SECRETS_DIR", str(tmp_path))
    settings = load_settings()
    assert exposures(settings) == []
    assert "@database:5432/" in settings.database_url.get_secret_value()
    assert settings.public_url == f"https://{NAME}"
    # By the name for which a public authority signs, and which the broker bears among the containers.
    broker = COMPOSE["services"]["broker"]["networks"]["inside"]["aliases"]
    for url in (settings.mqtt_url, settings.mqtt_admin_url):
        assert url is not None
        assert [url.get_secret_value().rpartition("@")[2]] == [f"{each.replace(HOST, NAME)}:8883" for each in broker]
    assert [str(each) for each in settings.trusted_proxies] == [
        f"{COMPOSE['services']['proxy']['networks']['inside']['ipv4_address']}/32"
    ]


def test_the_canary_is_run_as_the_command_line_has_it_and_scraped_where_it_is() -> None:
    from services.cli.canary import canary_app

    command = COMPOSE["services"]["canary"]["command"]
    (run,) = [each.callback for each in canary_app.registered_commands if each.name == "run"]
    assert run is not None
    options = inspect.signature(run).parameters
    assert command[:2] == ["canary", "run"]
    assert {each.removeprefix("--") for each in command if each.startswith("--")} <= set(options)
    directory, _, file = command[command.index("--file") + 1].rpartition("/")
    assert f"./compose/secrets/canary:{directory}:ro" in COMPOSE["services"]["canary"]["volumes"]
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    assert f'deploy/compose/secrets/canary:/made" registry canary set-up --mqtt-url mqtts://{NAME}:8883' in re.sub(
        r"\s+", " ", page.replace("telecare.council.example", NAME)
    )
    assert f"--file /made/{file}" in page
    scraped = yaml.safe_load((DEPLOY / "compose" / "scrape.yml").read_text())["scrape_configs"]
    (job,) = [each for each in scraped if each["job_name"] == "telecare-canary"]
    assert job["static_configs"][0]["targets"] == [f"canary:{options['port'].default}"]


def test_backups_are_made_by_the_databases_own_programs_through_its_socket_and_lie_on_the_host() -> None:
    backup, database = COMPOSE["services"]["backup"], COMPOSE["services"]["database"]
    assert (backup["image"], backup["user"]) == (database["image"], database["user"])
    assert "socket:/var/run/postgresql" in set(backup["volumes"]) & set(database["volumes"])
    assert backup["environment"]["PGHOST"] == "/var/run/postgresql"
    _, script, directory = backup["command"]
    mounted = dict(reversed(each.removesuffix(":ro").split(":")) for each in backup["volumes"])
    assert script.startswith("/telecare/compose/")
    assert mounted["/telecare"] == "./compose/secrets/placed/backup"
    assert (DEPLOY / mounted[directory]).resolve() == BACKUPS


def test_a_backup_that_is_overdue_makes_its_container_unhealthy(tmp_path: Path) -> None:
    _, *argv = COMPOSE["services"]["backup"]["healthcheck"]["test"]

    def healthy() -> bool:
        here = [each.replace("/var/backups/telecare", str(tmp_path)) for each in argv]
        return subprocess.run(here, check=False, capture_output=True, timeout=60).returncode == 0

    def dumped(ending: str, hours_ago: float) -> None:
        dump = tmp_path / f"telecare-20261128T000000Z{ending}.dump"
        dump.touch()
        os.utime(dump, (dump.stat().st_mtime - hours_ago * 3600,) * 2)

    assert not healthy()
    (tmp_path / "no-device-yet").touch()  # as deploy/backup says it
    assert healthy()
    (tmp_path / "no-device-yet").unlink()
    dumped("", 25)
    dumped("-without-heartbeats", 1)
    assert healthy()
    dumped("-without-heartbeats", 3)
    assert not healthy()
    dumped("-without-heartbeats", 1)
    dumped("", 30)
    assert not healthy()


def test_grafana_finds_each_shipped_data_source_by_its_uid() -> None:
    def uids(path: Path) -> set[str]:
        return {each["uid"] for each in yaml.safe_load(path.read_text())["datasources"]}

    assert uids(DEPLOY / "grafana/provisioning/datasources/telecare.yaml") <= uids(DEPLOY / "compose/datasources.yaml")


def test_ports_are_the_same_in_every_file() -> None:
    port = COMPOSE["services"]["alerts"]["environment"]["TELECARE_HTTP_PORT"]
    for server in ("alerts", "registry"):
        assert f"server {server}:{port} " in (DEPLOY / "compose" / "upstreams.conf").read_text()
    scrape = yaml.safe_load((DEPLOY / "compose" / "scrape.yml").read_text())
    (scraped,) = scrape["scrape_configs"][0]["dns_sd_configs"]
    assert (sorted(scraped["names"]), scraped["port"]) == (sorted(SERVICES), int(port))
    for service in SERVICES:
        assert f"127.0.0.1:{port}/" in " ".join(COMPOSE["services"][service]["healthcheck"]["test"])
    assert "listener 8883" in (DEPLOY / "compose" / "mosquitto.conf").read_text()
    containerfile = (DEPLOY / "Containerfile").read_text()
    assert f"EXPOSE {port}" in containerfile
    assert f"USER {COMPOSE['services']['alerts']['user']}" in containerfile


def test_only_the_proxy_and_the_broker_are_reached_from_outside() -> None:
    published = {
        (name, port)
        for name, service in COMPOSE["services"].items()
        for port in service.get("ports", [])
        if not port.startswith("127.0.0.1:")
    }
    assert published == {("proxy", "80:80"), ("proxy", "443:443"), ("broker", "8883:8883")}
    for name, service in COMPOSE["services"].items():  # and on this host nothing else is
        assert "ports" not in service or name in {"proxy", "broker"}
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert COMPOSE["services"]["database"]["networks"] == ["inside"]
    # Alertmanager asks nobody who they are: none but Prometheus and Grafana reach it, and none by the way on which it calls.
    among = {name: set(service.get("networks", [])) for name, service in COMPOSE["services"].items()}
    assert COMPOSE["networks"]["watching"]["internal"] is True
    assert {name for name, networks in among.items() if "watching" in networks} == {
        "prometheus", "alertmanager", "grafana",
    }  # fmt: skip
    assert {name for name, networks in among.items() if networks & (among["alertmanager"] - {"watching"})} == {
        "alertmanager"
    }
    assert among["grafana"] <= {"inside", "watching"}, "it has no way out, and none in but the proxy"
    (addresses,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    proxy = COMPOSE["services"]["proxy"]["networks"]
    own = ip_address(proxy["inside"]["ipv4_address"])
    # Given out as containers start: the proxy starts last, and its address would be the first to go.
    assert own in ip_network(addresses["subnet"])
    assert own not in ip_network(addresses["ip_range"])
    for name in ("alerts", "registry", "ingest"):  # they know it by that address
        assert set(COMPOSE["services"][name]["networks"]) & set(proxy) == {"inside"}


def test_the_name_that_links_begin_with_is_written_where_compose_reads_it() -> None:
    prepare = (DEPLOY / "compose" / "prepare").read_text()
    assert "TELECARE_NAME=%s" in prepare
    assert '"$deploy/.env"' in prepare  # beside compose.yaml
    assert "deploy/.env" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_the_image_is_built_from_what_there_is_and_nothing_else() -> None:
    build = COMPOSE["services"]["migrate"]["build"]
    assert (DEPLOY / build["context"]).resolve() == REPOSITORY
    text = (REPOSITORY / build["dockerfile"]).read_text()
    allowed = {line[1:] for line in (REPOSITORY / ".containerignore").read_text().splitlines() if line.startswith("!")}
    assert (REPOSITORY / ".dockerignore").read_text() == (REPOSITORY / ".containerignore").read_text()
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()}
    assert copied == allowed
    for name in copied:
        assert (REPOSITORY / name).exists()
    version = COMPOSE["services"]["alerts"]["image"].partition(":")[2]
    assert f'version = "{version}"' in (REPOSITORY / "pyproject.toml").read_text()


@pytest.mark.real_stack
@pytest.mark.parametrize("host", ["compose", "debian"])
def test_prometheus_takes_each_hosts_list_of_whom_to_scrape(host: str, tmp_path: Path) -> None:
    of_host = DEPLOY / "compose" if host == "compose" else DEPLOY / "prometheus"
    for file in (
        DEPLOY / "prometheus" / "prometheus.yml",
        of_host / "alertmanagers.yml",
        DEPLOY / host / "scrape.yml",
    ):
        shutil.copy(file, tmp_path)
    checked = STACK.run(
        "/usr/bin/promtool", "check", "config", "--syntax-only", "{files}/prometheus.yml", files=tmp_path
    )
    assert checked.returncode == 0, checked.stderr


def test_the_same_jobs_are_scraped_wherever_it_runs() -> None:
    def jobs(folder: str) -> list[str]:
        return [
            each["job_name"] for each in yaml.safe_load((DEPLOY / folder / "scrape.yml").read_text())["scrape_configs"]
        ]

    assert jobs("compose") == jobs("debian") == [*jobs("prometheus"), "telecare-prometheus", "telecare-alertmanager"]


def test_who_watches_is_found_by_name_and_links_begin_where_people_open_telecare() -> None:
    services = COMPOSE["services"]
    (told,) = yaml.safe_load((DEPLOY / "compose" / "alertmanagers.yml").read_text())
    assert told["targets"] == ["alertmanager:9093"]
    (asked,) = [each["url"] for each in SOURCES["datasources"] if each["uid"] == "telecare-prometheus"]
    assert asked == "http://prometheus:9090"
    for name in ("prometheus", "alertmanager"):  # else they would listen to themselves alone
        assert not any("listen-address=127" in each for each in services[name]["command"])
    environment = services["prometheus"]["environment"]
    assert environment == {"TELECARE_PUBLIC_URL": services["alerts"]["environment"]["TELECARE_PUBLIC_URL"]}
    assert "--enable-feature=expand-external-labels" in services["prometheus"]["command"]


def test_links_to_panels_lead_through_the_proxy_to_grafana_which_serves_itself_there() -> None:
    grafana = COMPOSE["services"]["grafana"]
    proxied = (DEPLOY / "compose" / "grafana.conf").read_text()
    assert grafana["environment"]["GF_SERVER_ROOT_URL"] == f"https://{HOST}/grafana/"
    assert grafana["environment"]["GF_SERVER_SERVE_FROM_SUB_PATH"] == "true"
    assert "location /grafana/ {" in proxied
    assert "proxy_pass http://grafana;" in proxied, "with the path, which it serves itself below"
    assert "server grafana:3000 resolve" in (DEPLOY / "compose" / "upstreams.conf").read_text()
    # Whatever is asked for elsewhere is sent to the public name, which no container of it reaches.
    assert "http://127.0.0.1:3000/grafana/api/health" in grafana["healthcheck"]["test"]


def test_a_machine_of_the_size_that_the_page_names_holds_all_containers_at_their_limits() -> None:
    """Also while an upgrade runs the new pair of a service beside the old."""
    units = {"M": 1, "G": 1024}

    def megabytes(service: dict[str, Any]) -> int:
        limit = service["deploy"]["resources"]["limits"]["memory"]
        return int(limit[:-1]) * units[limit[-1]]

    lasting = {name: each for name, each in COMPOSE["services"].items() if each["restart"] == "always"}
    total = sum(megabytes(each) * each["deploy"].get("replicas", 1) for each in lasting.values())
    upgrading = max(megabytes(lasting[name]) * lasting[name]["deploy"]["replicas"] for name in SERVICES)
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    written = re.search(r"with containers (\d+) GB of memory.+?sum to ([\d.]+) GB", page, re.DOTALL)
    assert written is not None
    assert float(written[2]) == pytest.approx(total / 1024, abs=0.05)
    assert total + upgrading + 256 <= int(written[1]) * 1024
    # A quarter of the container's, as the file says.
    shared = re.search(r"shared_buffers = '(\d+)GB'", (DEPLOY / "compose" / "postgresql.conf").read_text())
    assert shared is not None
    assert int(shared[1]) * 1024 * 4 == megabytes(lasting["database"])
    # The session of each heartbeat shard and that of alarms may fill (max_queued_bytes), and the broker lives on.
    queued = re.search(r"^max_queued_bytes (\d+)$", (DEPLOY / "mosquitto" / "telecare.conf").read_text(), re.MULTILINE)
    assert queued is not None
    assert 2 * int(queued[1]) < megabytes(lasting["broker"]) * 2**20


def test_no_engine_restarts_what_is_unhealthy_so_ours_end_themselves_and_are_started_anew() -> None:
    for name in SERVICES:
        service = COMPOSE["services"][name]
        assert service["restart"] == "always"
        assert 10 <= float(service["environment"]["TELECARE_WATCHDOG_S"]) <= 60


def test_whoever_watches_is_asked_in_its_container_as_the_page_says() -> None:
    """Neither has a port outside, nor a prefix; what the page runs there is in the images, whose health is asked for by it."""
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    asked = re.findall(
        r"docker compose exec (\w+) (amtool|wget) \S*?(http://127\.0\.0\.1:\d+|-qO- http://127\.0\.0\.1:\d+)", page
    )
    ports = {"prometheus": 9090, "alertmanager": 9093}
    assert {(name, program) for name, program, _ in asked} == {("alertmanager", "amtool"), ("prometheus", "wget")}
    for name, _, url in asked:
        service = COMPOSE["services"][name]
        assert url.endswith(f"http://127.0.0.1:{ports[name]}")
        assert f"http://127.0.0.1:{ports[name]}/-/healthy" in service["healthcheck"]["test"]
        assert not any(
            "route-prefix" in each or "listen-address=" in each.replace("cluster.listen-address=", "")
            for each in service["command"]
        )
    # Without an address amtool asks nobody.
    assert set(re.findall(r"`amtool (?!--alertmanager\.url=http://127\.0\.0\.1:9093 )[^`]*`", page)) == set()
