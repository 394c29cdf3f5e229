"""deploy/compose/prepare, run as it is on a copy of the tree: secrets made once, certificates looked at and handed to who runs.

There is no container engine here: `docker` is a script that writes down what it is asked for, and says that everything runs.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.stack import DEPLOY

NAME = "telecare.example"
_DOCKER = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in
  *" build "*) test ! -e "{log}.broken" ;;
  *" ps "*) echo 0123456789ab ;;
  "inspect --format {{{{.State.StartedAt}}}} 0123456789ab") date -u -r "{log}.started" +%Y-%m-%dT%H:%M:%S.000000001Z ;;
  *" broker init") echo '{{"clients": []}}' ;;
  *" runbooks") echo '<h1>Operations</h1>' ;;
  *" psql "*) test ! -e "{log}.refuses" ;;
  "volume ls "*) [ ! -f "{log}.volume" ] || echo telecare_database ;;
esac
"""


@dataclass(frozen=True)
class Tree:
    """A copy of deploy/, and what the engine was asked for."""

    deploy: Path
    log: Path

    @property
    def secrets(self) -> Path:
        return self.deploy / "compose" / "secrets"

    @property
    def tls(self) -> Path:
        return self.secrets / "tls"

    @property
    def placed(self) -> Path:
        return self.secrets / "placed"

    def prepare(self, *names: str, engine: bool = True) -> subprocess.CompletedProcess[str]:
        path = f"{self.log.parent}:{os.environ['PATH']}" if engine else os.environ["PATH"]
        self.log.write_text("")
        argv = [str(self.deploy / "compose" / "prepare"), *names]
        return subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=60, env={**os.environ, "PATH": path}
        )

    def asked(self, *words: str) -> list[str]:
        """What the engine was asked for, of the lines with all these words."""
        return [line for line in self.log.read_text().splitlines() if all(word in line.split() for word in words)]

    def told(self) -> list[str]:
        """Who had to take something that has changed: all that was run in a container but what the database is told each time."""
        return [line for line in self.asked("exec") if "psql" not in line.split()]

    def started(self, *, later_s: float = 0) -> None:
        """The broker's container, now."""
        started = self.log.with_name("asked.started")
        started.touch()
        os.utime(started, (started.stat().st_mtime + later_s,) * 2)

    def certify(self, server: str, *names: str) -> None:
        """A certificate for these names, by the authority of the trial; its key stays."""
        made = [str(self.deploy / "certificates"), "--only", server, str(self.tls), *names]
        subprocess.run(made, check=True, capture_output=True, timeout=60)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets", "backups", ".env"))
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(_DOCKER.format(log=tmp_path / "bin" / "asked"))
    docker.chmod(0o755)
    tree = Tree(tmp_path / "deploy", tmp_path / "bin" / "asked")
    tree.started()
    return tree


@pytest.fixture
def prepared(tree: Tree) -> Tree:
    made = tree.prepare(NAME)
    assert made.returncode == 0, made.stderr
    return tree


def contents(files: Sequence[Path]) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in files}


def test_secrets_are_made_once_and_read_by_nobody_else(prepared: Tree) -> None:
    compose = yaml.safe_load((prepared.deploy / "compose.yaml").read_text())
    files = [prepared.deploy / each["file"] for each in compose["secrets"].values()]
    register = prepared.secrets / "dynamic-security" / "dynamic-security.json"
    backups = (prepared.deploy / "compose" / "backups").stat()
    assert (stat.S_IMODE(backups.st_mode), f"{backups.st_uid}") == (0o700, compose["services"]["backup"]["user"][:2])
    assert [each for each in files if not each.exists()] == []
    assert [each for each in files if stat.S_IMODE(each.stat().st_mode) & 0o007] == []
    shared = {(each.name, each.stat().st_gid) for each in files if stat.S_IMODE(each.stat().st_mode) & 0o070}
    assert shared == {("grafana_database_password", 10001)}, "with whoever gives it to the database"
    assert register.read_text() == '{"clients": []}\n'
    assert (register.stat().st_uid, stat.S_IMODE(register.stat().st_mode)) == (1883, 0o600)
    before = contents([*files, register, *prepared.tls.iterdir()])
    again = prepared.prepare()  # by the name that it has
    assert again.returncode == 0, again.stderr
    assert before == contents(list(before))


def test_each_container_has_what_it_reads_and_no_others_key(prepared: Tree) -> None:
    """Every directory that compose.yaml mounts from there is filled, and by files that its user may read."""
    compose = yaml.safe_load((prepared.deploy / "compose.yaml").read_text())
    mounted = {
        (name, prepared.deploy / source)
        for name, service in compose["services"].items()
        for source, _, _ in (each.partition(":") for each in service.get("volumes", []))
        if source.startswith("./compose/secrets/placed/")
    }
    (alone,) = [directory for _, directory in mounted if not directory.is_dir()]  # among the image's own
    assert alone.read_bytes() == (DEPLOY / "compose" / "database.sh").read_bytes()
    mounted = {(name, directory) for name, directory in mounted if directory != alone}
    assert len(mounted) > 10
    keys = {"broker": 1883, "database": 70, "proxy": 0}
    for name, directory in mounted:
        files = [each for each in directory.rglob("*") if each.is_file()]
        assert files, directory
        for each in (directory, *directory.rglob("**/")):
            assert stat.S_IMODE(each.stat().st_mode) & 0o055 == 0o055, each
        for each in files:
            if stat.S_IMODE(each.stat().st_mode) & 0o004 == 0:
                assert each.stat().st_uid == keys[name], each
    assert not [each for each in prepared.placed.rglob("*") if each.name.startswith("authority.key")]
    users = (prepared.placed / "broker" / "conf.d" / "users.conf").read_text()
    assert "plugin /usr/lib/mosquitto_dynamic_security.so" in users
    # As the files themselves name them: each path below a directory that is mounted is one that was put there.
    for server, etc in (("broker", "/mosquitto/config"), ("database", "/etc/telecare")):
        for file in (prepared.placed / server).glob("*.conf"):
            for name in re.findall(rf"{etc}/([\w./]+)", file.read_text()):
                assert (prepared.placed / server / name).exists(), name


def test_a_renewed_certificate_reaches_those_that_run_and_keeps_their_way_back(prepared: Tree) -> None:
    before = {each: (prepared.placed / each).stat().st_ino for each in ("broker/broker.crt", "database/database.crt")}
    for server in ("broker", "http"):
        prepared.certify(server, NAME)
    renewed = prepared.prepare()
    assert renewed.returncode == 0, renewed.stderr
    for placed, of in (
        ("broker/broker.crt", "broker"),
        ("proxy/telecare/server.crt", "http"),
        ("watched/http.crt", "http"),
    ):
        assert (prepared.placed / placed).read_bytes() == (prepared.tls / f"{of}.crt").read_bytes()
    # By a rename: nobody reads half of it, and a directory that is mounted shows the new one.
    assert (prepared.placed / "broker/broker.crt").stat().st_ino != before["broker/broker.crt"]
    assert (prepared.placed / "database/database.crt").stat().st_ino == before["database/database.crt"]
    assert len(prepared.asked("exec", "broker")) == 1
    assert prepared.asked("exec", "broker")[0].endswith("exec -T broker kill -HUP 1")
    assert prepared.asked("exec", "proxy")[0].endswith("nginx -s reload")
    assert [line for line in prepared.told() if " database " in line] == []
    # `docker kill --signal HUP` takes its restart policy from a container (moby, issues 11065 and 41302).
    assert not [line for line in prepared.log.read_text().splitlines() if re.search(r"compose\.yaml kill\b", line)]
    assert prepared.asked("restart") == []


def test_what_has_not_changed_disturbs_nobody(prepared: Tree) -> None:
    assert prepared.prepare().returncode == 0
    assert prepared.told() == []
    assert prepared.asked("restart") == []


def test_the_database_that_there_is_takes_what_only_the_superuser_may_say_each_time(prepared: Tree) -> None:
    """What makes a new one runs once, by the image: an installation of before has nothing of what came later."""
    placed = prepared.placed / "database" / "superuser.sql"
    assert placed.read_bytes() == (DEPLOY / "postgresql" / "superuser.sql").read_bytes()
    assert "\n\\i /etc/telecare/superuser.sql\n" in (DEPLOY / "compose" / "database.sh").read_text()
    for _ in range(2):
        assert prepared.prepare().returncode == 0
        (said,) = prepared.asked("exec", "psql")
        assert " exec -T database psql " in said
        assert said.endswith(
            "--set ON_ERROR_STOP=1 --username postgres --dbname telecare --file /etc/telecare/superuser.sql"
        )
    prepared.log.with_name("asked.refuses").touch()
    failed = prepared.prepare()
    assert (failed.returncode, "would not take deploy/postgresql/superuser.sql" in failed.stderr) == (1, True)


def test_a_release_with_another_rule_has_prometheus_read_it_and_one_that_is_gone_goes(prepared: Tree) -> None:
    rules = prepared.deploy / "prometheus" / "rules"
    (rules / "rollout.rules.yml").unlink()
    (rules / "alarms.rules.yml").write_text("groups: []\n")
    assert prepared.prepare().returncode == 0
    assert prepared.asked("exec", "prometheus")
    assert (prepared.placed / "prometheus/rules/alarms.rules.yml").read_text() == "groups: []\n"
    assert not (prepared.placed / "prometheus/rules/rollout.rules.yml").exists()


def test_what_a_run_that_failed_has_placed_is_taken_at_the_next(prepared: Tree) -> None:
    broken = prepared.log.with_name("asked.broken")
    for server in ("broker", "http"):
        prepared.certify(server, NAME)
    (prepared.deploy / "prometheus" / "rules" / "rollout.rules.yml").unlink()
    (prepared.deploy / "mosquitto" / "telecare.conf").write_text("persistence true\n")
    broken.touch()
    assert prepared.prepare().returncode != 0
    assert prepared.asked("exec") == []
    assert not (prepared.placed / "prometheus/rules/rollout.rules.yml").exists()
    broken.unlink()
    mended = prepared.prepare()
    assert mended.returncode == 0, mended.stderr
    assert "docker compose restart broker" in mended.stdout
    for service in ("broker", "proxy", "prometheus"):
        assert len(prepared.asked("exec", service)) == 1, service
    again = prepared.prepare()
    assert again.returncode == 0
    assert prepared.told() == []
    assert "docker compose restart broker" in again.stdout, "until that was done"
    prepared.started(later_s=5)
    assert "docker compose restart broker" not in prepared.prepare().stdout


def test_a_release_that_drops_a_rule_and_has_no_other_change_has_prometheus_read_it(prepared: Tree) -> None:
    (prepared.deploy / "prometheus" / "rules" / "rollout.rules.yml").unlink()
    assert prepared.prepare().returncode == 0
    assert prepared.asked("exec", "prometheus")


@pytest.mark.parametrize("server", ["broker", "http"])
def test_a_certificate_without_the_name_is_refused_by_name_and_nobody_is_given_it(prepared: Tree, server: str) -> None:
    before = contents([each for each in prepared.placed.rglob("*") if each.is_file()])
    prepared.certify(server, "another.example")
    refused = prepared.prepare()
    assert refused.returncode == 1
    assert f"{server}.crt is not for {NAME}, but for:" in refused.stderr
    assert "another.example" in refused.stderr
    assert before == contents(list(before))
    assert prepared.asked("exec") == []


def test_a_certificate_with_another_key_or_by_a_stranger_is_refused(prepared: Tree) -> None:
    key = prepared.tls / "broker.key"
    key.write_bytes((prepared.tls / "http.key").read_bytes())
    assert "broker.key is not the key of" in prepared.prepare().stderr
    stranger = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={NAME}"]
    stranger += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(prepared.tls / "broker.crt")]
    subprocess.run(stranger, check=True, capture_output=True, timeout=60)
    assert "broker.crt is not trusted by this host" in prepared.prepare().stderr


def test_another_name_is_another_for_links_broker_and_services_alike(prepared: Tree) -> None:
    password = (prepared.secrets / "telecare_mqtt_url").read_text().rpartition("@")[0]
    for server in ("broker", "http"):
        prepared.certify(server, "alarms.example")
    changed = prepared.prepare("alarms.example")
    assert changed.returncode == 0, changed.stderr
    assert (prepared.deploy / ".env").read_text() == "TELECARE_NAME=alarms.example\n"
    assert (prepared.secrets / "telecare_mqtt_url").read_text() == f"{password}@alarms.example:8883"


@pytest.mark.parametrize("name", ["192.0.2.7", "2001:db8::1", "localhost"])
def test_a_first_name_that_containers_cannot_find_each_other_by_is_refused(tree: Tree, name: str) -> None:
    refused = tree.prepare(name)
    assert refused.returncode == 1
    assert "the first is a name" in refused.stderr
    assert not (tree.deploy / ".env").exists()


def test_the_databases_certificate_is_renewed_before_it_ends_and_real_ones_are_left_alone(prepared: Tree) -> None:
    scratch, tls = prepared.log.parent, prepared.tls
    (scratch / "names").write_text("subjectAltName=DNS:database\n")
    ask = ["openssl", "req", "-new", "-subj", "/CN=x", "-key", f"{tls}/database.key", "-out", f"{scratch}/request"]
    sign = ["openssl", "x509", "-req", "-in", f"{scratch}/request", "-CA", f"{tls}/authority.crt", "-days", "1"]
    sign += ["-CAkey", f"{tls}/authority.key", "-extfile", f"{scratch}/names", "-out", f"{tls}/database.crt"]
    for each in (ask, sign):
        subprocess.run(each, check=True, capture_output=True, timeout=60)
    others = contents([prepared.tls / "http.crt", prepared.tls / "broker.crt"])
    assert prepared.prepare().returncode == 0
    placed = f"{prepared.placed}/database/database.crt"
    ends = ["openssl", "x509", "-in", placed, "-noout", "-checkend", "2592000"]
    assert subprocess.run(ends, check=False, capture_output=True).returncode == 0
    assert others == contents(list(others))
    (told,) = prepared.told()
    assert told.endswith("exec -T database kill -HUP 1")


@pytest.mark.parametrize("lost", ["all", "telecare_secret_key", "telecare_database_url"])
def test_where_there_is_a_database_no_new_secrets_are_made_for_it(prepared: Tree, lost: str) -> None:
    """As in a newer release's tree beside the old one, or after /etc was restored without the key."""
    prepared.log.with_name("asked.volume").write_text("")
    assert prepared.prepare().returncode == 0
    if lost == "all":
        shutil.rmtree(prepared.secrets)
        (prepared.deploy / ".env").unlink()
    else:
        (prepared.secrets / lost).unlink()
    refused = prepared.prepare(NAME)
    assert refused.returncode == 1
    assert "its secrets are not in" in refused.stderr
    assert "checked out anew in the directory" in refused.stderr
    assert not (prepared.secrets / ("tls" if lost == "all" else lost)).exists()
    assert (prepared.deploy / ".env").exists() == (lost != "all")
