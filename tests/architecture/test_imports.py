"""Arrows point one way: a service stands without its siblings, and import-linter finds nothing else either."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "alerts", "registry")

# Imports every module of one service where its siblings, the simulator and the command line do not exist.
PROGRAM = """
import importlib, importlib.abc, pkgutil, sys

alone, absent = sys.argv[1], tuple(f"services.{name}" for name in sys.argv[2:])

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in absent or name.startswith(tuple(f"{each}." for each in absent)):
            raise ModuleNotFoundError(f"{name} is absent", name=name)
        return None

sys.meta_path.insert(0, Absent())
package = importlib.import_module(f"services.{alone}")
modules = [each.name for each in pkgutil.walk_packages(package.__path__, f"services.{alone}.")]
for name in modules:
    importlib.import_module(name)
print(len(modules), f"services.{alone}.service" in modules)
"""


def imported_alone(service: str, absent: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, service, *absent],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_whole_where_its_siblings_are_absent(service: str) -> None:
    absent = tuple(name for name in (*SERVICES, "simulator", "cli") if name != service)
    done = imported_alone(service, absent)
    assert done.returncode == 0, done.stderr
    count, has_service = done.stdout.split()
    assert int(count) > 5
    assert has_service == "True"


def test_an_arrow_the_wrong_way_would_be_noticed() -> None:
    done = imported_alone("registry", ("chassis",))
    assert done.returncode != 0
    assert "services.chassis is absent" in done.stderr


def test_import_linter_finds_every_contract_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
