"""The command `telecare` of an installed Debian: with the settings and secrets of the services, in its caller's directory."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stack import DEPLOY

_RELEASE = '#!/bin/sh\necho "$(pwd)"; env | grep ^TELECARE_ | sort; cat\n'


@dataclass(frozen=True)
class Host:
    """Where it finds settings, secrets and a release that says what it was given; its user is `nobody`."""

    root: Path

    @property
    def credentials(self) -> Path:
        return self.root / "etc" / "credentials"

    def telecare(self, directory: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        script = (DEPLOY / "debian" / "telecare").read_text()
        for real, here in (("/etc/telecare", "etc"), ("/var/lib/telecare", "lib"), ("/opt/telecare", "opt")):
            script = script.replace(real, str(self.root / here))
        script = script.replace("--user telecare", "--user nobody")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TELECARE_")}
        return subprocess.run(
            ["sh", "-c", script, "telecare"],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            cwd=directory,
            env=environment,
            timeout=60,
        )


@pytest.fixture
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(
        prefix="telecare-wrapper-"
    ) as made:  # pytest's own is one that `nobody` can't reach
        root = Path(made)
        root.chmod(0o755)
        release = root / "opt" / "current" / "bin" / "telecare"
        for each in (root / "etc" / "credentials", root / "lib", release.parent):
            each.mkdir(parents=True)
        release.write_text(_RELEASE)
        release.chmod(0o755)
        (root / "etc" / "telecare.env").write_text("TELECARE_LOG_FORMAT=json\n")
        (root / "etc" / "credentials" / "mqtt_url").write_text("mqtt://127.0.0.1")
        yield Host(root)


def test_it_works_where_its_caller_is_if_its_user_may_look_there_and_has_the_callers_standard_input(host: Host) -> None:
    for name, mode, works_in in (("open", 0o755, "open"), ("closed", 0o700, "lib")):
        (host.root / name).mkdir(mode=mode)
        done = host.telecare(host.root / name, "device_id\n")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == str(host.root / works_in)
        assert done.stdout.endswith("\ndevice_id\n")


def test_whatever_an_editor_leaves_beside_a_secret_is_no_setting_and_stops_nothing(host: Host) -> None:
    for name in ("mqtt_url~", "#mqtt_url#", "mqtt_url.dpkg-old", "mqtt url", "MQTT_URL"):
        (host.credentials / name).write_text("mqtt://old")
    done = host.telecare(host.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["TELECARE_LOG_FORMAT=json", "TELECARE_MQTT_URL=mqtt://127.0.0.1"]
