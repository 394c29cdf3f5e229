"""The release before this one, from the wheel that is kept of it (tests/releases): run beside ours, it sees nothing of ours."""

import hashlib
import json
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

RELEASES: Final = Path(__file__).parents[1] / "releases"
_WHOSE: Final = """
import contracts, json, services
from services.chassis.postgres.migrate import migrations
print(json.dumps({"files": [contracts.__file__, services.__file__],
                  "migrations": {each.name: each.checksum for each in migrations()}}))
"""


def kept_wheel() -> Path:
    """The one wheel that there is."""
    (wheel,) = RELEASES.glob("telecare-*.whl")
    return wheel


def migrations_in(wheel: Path) -> dict[str, str]:
    """The checksum of each migration, as the ledger has it, by "ingest/0020_ingest.sql"."""
    with zipfile.ZipFile(wheel) as files:
        found = (Path(name) for name in files.namelist() if name.endswith(".sql") and "/migrations/" in name)
        return {
            f"{path.parts[1]}/{path.name}": hashlib.sha256(files.read(path.as_posix())).hexdigest() for path in found
        }


@dataclass(frozen=True)
class Release:
    """A wheel, unpacked."""

    tree: Path

    @classmethod
    def unpack(cls, wheel: Path, tree: Path) -> "Release":
        with zipfile.ZipFile(wheel) as files:
            files.extractall(tree)
        return cls(tree)

    @cached_property
    def python(self) -> tuple[str, ...]:
        """Python as it finds this release and what both depend on.

        `-S` leaves out what an editable installation of ours puts on the path, `-P` the directory in which it is started.
        """
        path = f"PYTHONPATH={self.tree}:{sysconfig.get_path('purelib')}:{sysconfig.get_path('platlib')}"
        return ("env", path, sys.executable, "-P", "-S")

    @property
    def telecare(self) -> tuple[str, ...]:
        """Its command line."""
        return (*self.python, "-m", "services.cli")

    def says(self) -> dict[str, Any]:
        """The files that its Python imports, and its migrations, as its own code finds them."""
        said: dict[str, Any] = json.loads(subprocess.check_output([*self.python, "-c", _WHOSE], cwd="/"))
        return said
