"""deploy/compose/upgrade with a `docker` that is a script: it keeps containers as lines `id service image health` of a file."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.stack import DEPLOY

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
PAIRS = ("ingest", "alerts", "registry")
_DOCKER = r"""#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>asked
last=; for last; do :; done
of() { awk -v id="$1" -v what="$2" '$1 == id { print $what }' containers; }
case "$*" in
  "compose "*" ps "*) awk -v service="$last" '$2 == service { print $1 }' containers ;;
  "compose "*" run --rm migrate") test ! -e migrate-fails ;;
  "compose "*" up "*--scale*)
    wanted=$(echo "$*" | sed 's/.*--scale [a-z]*=\([0-9]*\).*/\1/')
    while [ "$(grep -c " $last " containers)" -lt "$wanted" ]; do
      echo >>made
      echo "$last-$(wc -l <made) $last $(cat tag-now) $(cat "health-$last" 2>/dev/null || echo healthy)" >>containers
    done ;;
  "image inspect "*) cat tag-now ;;
  "inspect "*.Image*) of "$last" 3 ;;
  "inspect "*) of "$last" 4 ;;
  "tag telecare:before "*) cat tag-before >tag-now ;;
  "tag "*) echo "$2" >tag-before ;;
  "rm "*) grep -v "^$last " containers >left; mv left containers ;;
esac
"""


@dataclass(frozen=True)
class Host:
    """Where two of each run from the image `old`."""

    deploy: Path
    engine: Path

    def upgrade(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.engine}:{os.environ['PATH']}", "WAIT_S": "1", "LOOK_EVERY_S": "1"}
        argv = [str(self.deploy / "compose" / "upgrade"), *arguments]
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, env=environment)

    def prepare_does(self, *commands: str) -> None:
        """Stands for prepare, whose own tests are elsewhere; what it builds gets the name that the old image has."""
        (self.deploy / "compose" / "prepare").write_text("\n".join(["#!/bin/sh", f"cd {self.engine}", *commands, ""]))

    def images(self) -> dict[str, list[str]]:
        """By service."""
        lines = [line.split() for line in (self.engine / "containers").read_text().splitlines()]
        return {pair: [image for _, service, image, _ in lines if service == pair] for pair in PAIRS}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    shutil.copytree(
        DEPLOY / "compose", tmp_path / "deploy" / "compose", ignore=shutil.ignore_patterns("secrets", "backups")
    )
    shutil.copy(DEPLOY / "compose.yaml", tmp_path / "deploy")
    (tmp_path / "deploy" / ".env").write_text("TELECARE_NAME=telecare.example\n")
    engine = tmp_path / "bin"
    engine.mkdir()
    (engine / "docker").write_text(_DOCKER)
    (engine / "docker").chmod(0o755)
    (engine / "tag-now").write_text("old\n")
    (engine / "containers").write_text("".join(f"{pair}-{one} {pair} old healthy\n" for pair in PAIRS for one in "ab"))
    host = Host(tmp_path / "deploy", engine)
    host.prepare_does("echo new >tag-now")
    return host


OLD, NEW = ["old", "old"], ["new", "new"]


def test_each_pair_is_new_and_goes_back_by_the_image_that_was_kept(host: Host) -> None:
    assert {name for name, each in COMPOSE["services"].items() if each["deploy"].get("replicas", 1) == 2} == set(PAIRS)
    done = host.upgrade()
    assert done.returncode == 0, done.stderr
    assert host.images() == dict.fromkeys(PAIRS, NEW)
    assert (host.engine / "asked").read_text().splitlines()[-1].endswith("up --detach")
    assert host.upgrade().returncode == 0, "again, with nothing new"
    (host.engine / "asked").unlink()
    back = host.upgrade("--back")
    assert back.returncode == 0, back.stderr
    assert host.images() == dict.fromkeys(PAIRS, OLD)
    assert "migrate" not in (host.engine / "asked").read_text()


@pytest.mark.parametrize("state", ["unhealthy", "starting"])
def test_a_pair_that_does_not_become_healthy_leaves_the_old_one_and_all_after_it(host: Host, state: str) -> None:
    (host.engine / "health-alerts").write_text(f"{state}\n")
    failed = host.upgrade()
    assert failed.returncode == 1
    assert "the new alerts did not become healthy" in failed.stderr
    assert host.images() == {"ingest": NEW, "alerts": OLD, "registry": OLD}
    # Mended, it goes on from there, and the way back is still the release before both.
    (host.engine / "health-alerts").unlink()
    host.prepare_does("echo newer >tag-now")
    assert host.upgrade().returncode == 0
    assert host.images() == {pair: ["newer", "newer"] for pair in PAIRS}
    assert (host.engine / "tag-before").read_text() == "old\n"


def test_after_a_prepare_or_a_migration_that_fails_no_container_is_touched(host: Host) -> None:
    (host.engine / "migrate-fails").touch()
    failed = host.upgrade()
    assert (failed.returncode, "migrate failed" in failed.stderr) == (1, True)
    assert host.images() == dict.fromkeys(PAIRS, OLD)
    (host.engine / "migrate-fails").unlink()
    (host.engine / "tag-before").unlink()
    host.prepare_does("echo new >tag-now", "exit 1")
    failed = host.upgrade()
    assert (failed.returncode, "prepare failed" in failed.stderr) == (1, True)
    assert host.images() == dict.fromkeys(PAIRS, OLD)
    assert (host.engine / "tag-before").read_text() == "old\n", "though its name is the new one's by now"


def test_in_another_tree_than_the_one_it_runs_from_it_says_so_and_touches_nothing(host: Host) -> None:
    (host.deploy / ".env").unlink()
    failed = host.upgrade()
    assert failed.returncode == 1
    assert "run it in the directory that telecare was started from" in failed.stderr
    assert not (host.engine / "asked").exists()
