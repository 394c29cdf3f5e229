"""A PostgreSQL cluster and its server, as a child of ours on a port of loopback, whoever's binaries it runs on."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from services.chassis.embedded.ports import LOOPBACK, PortClaim, claim_port
from services.chassis.embedded.process import Account, GuardedProcess, ServerDidNotStartError, signal_all

_USER: Final = "telecare"
_READY_TIMEOUT_S: Final = 60.0  # recovery after a power cut replays what was written since the last checkpoint
_COMMAND_TIMEOUT_S: Final = 120.0
_LOCK_FILE_STATUS_LINE: Final = 7

_SETTINGS: Final = MappingProxyType(
    {
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",  # their paths have a length limit that a deep clone exceeds
        "logging_collector": "off",  # the guard sends standard error to our log file
    }
)


class Installation(Protocol):
    """PostgreSQL's programs, and how they are run."""

    @property
    def account(self) -> Account | None:
        """Whom we switch to to run them; None where we needn't, or they do so themselves."""

    @property
    def owner(self) -> Account | None:
        """Whose the files must be; None where ours are right."""

    @property
    def scratch(self) -> Path | None:
        """Where temporary directories go; None for the system's place."""

    @property
    def initdb_options(self) -> list[str]:
        """What else `initdb` is told."""

    @property
    def leftovers(self) -> list[Path]:
        """Directories of its own that must not outlive the server."""

    def argv(self, program: str, *arguments: str) -> list[str]:
        """The command line for one of the programs."""

    def path(self, path: Path) -> str:
        """The path as the programs see it."""


class PostgresCluster:
    """One PostgreSQL server. Calls block for up to a second or two: from a coroutine use `asyncio.to_thread`.

    Without `directory` it lives in a temporary one that goes when the server is stopped, or when we are killed. With
    one, the data stay there, and so does the password: the next start finds both. A taken `port` is replaced by a free
    one. With `pristine`, the directory of another that was initialised and never started, a new cluster is a copy of it.
    """

    def __init__(
        self,
        installation: Installation,
        directory: Path | None = None,
        *,
        port: int | None = None,
        pristine: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._installation = installation
        self._temporary = directory is None
        self._directory = directory
        self._wanted_port = port
        self._pristine = pristine
        self._settings = {**_SETTINGS, **settings}
        self._server: GuardedProcess | None = None
        self._claim: PortClaim | None = None
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
            raise RuntimeError("PostgreSQL is not running")
        return self._server

    def start(self) -> None:
        """Make the cluster where there is none, and return when the server takes connections.

        A second start, after a halt or a kill, uses the same port again. Raises `ServerDidNotStartError`, and leaves as
        little behind as `stop` does.
        """
        try:
            self._start()
        except ServerDidNotStartError:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended since."""
        return self._server is not None and self._server.running

    def revive(self) -> None:
        """Start it again after it ended by itself, on the same port, with the data that it had.

        Raises `ServerDidNotStartError`: then try again, for a backend of the one before may still be on its way out. Nothing is
        removed for it.
        """
        if self._server is not None:
            self.kill()
        try:
            self._start()
        except ServerDidNotStartError:
            self.halt()
            raise

    def halt(self) -> None:
        """Stop it cleanly for a while: its data stay, and `start` goes on with them."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def stop(self) -> None:
        """Stop it cleanly. Leaves no process and no port, and no directory where that was temporary."""
        if self._temporary and self._server is not None:
            signal_all([self._server.pid], signal.SIGQUIT)  # what is thrown away needs no last checkpoint
        self.halt()
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        for directory in self._leftovers:
            shutil.rmtree(directory, ignore_errors=True)
        if self._temporary:
            self._directory = None

    def kill(self) -> None:
        """SIGKILL the server and all its children at once, as a power cut would. `start` then recovers it."""
        self.process.kill()
        self._server = None

    def initialise(self) -> Path:
        """Make the cluster, unless there is one, and say where. A rename comes last: no half cluster is met again."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="telecare-postgres-", dir=self._installation.scratch))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._own(self._directory)
        if not self._data.exists():
            unfinished = self._home / "data.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            if self._pristine is not None:
                self._copy(self._pristine, unfinished)
            else:
                self._initdb(unfinished)
            unfinished.rename(self._data)
        return self._home

    def _start(self) -> None:
        self.initialise()
        self._choose_port()
        settings = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        self._server = GuardedProcess(
            self._installation.argv("postgres", "-D", self._installation.path(self._data), *settings),
            log=self.log,
            account=self._installation.account,
            stop_signals=(signal.SIGINT, signal.SIGQUIT),  # "fast" (disconnect all, checkpoint), then "immediate"
            remove=self._leftovers,
        )
        self._server.wait_until_ready(self._ready, _READY_TIMEOUT_S)

    def _choose_port(self) -> None:
        if self._claim is None:
            self._claim = claim_port(self.port or self._wanted_port)
            self.port = self._claim.port

    @property
    def _home(self) -> Path:
        if self._directory is None:
            raise RuntimeError("PostgreSQL has no directory yet: start it first")
        return self._directory.resolve()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _password_file(self) -> Path:
        return self._home / "password"

    @property
    def _leftovers(self) -> list[Path]:
        homes = [self._directory] if self._temporary and self._directory else []
        return [*homes, *self._installation.leftovers]

    def _copy(self, pristine: Path, data: Path) -> None:
        # `cp`, for it keeps the owner, which `shutil` does not, and shares blocks where the file system can.
        for source, target in ((pristine / "data", data), (pristine / "password", self._password_file)):
            subprocess.run(["/bin/cp", "-a", source, target], check=True, timeout=_COMMAND_TIMEOUT_S)  # noqa: S603 - our own paths

    def _initdb(self, data: Path) -> None:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        self._own(self._password_file)
        where = self._installation.path
        # A password even on loopback: another user of this machine who is superuser there may run programs as us.
        # One SCRAM iteration: a random password of 192 bits needs no slowing down, and every connection would pay.
        # The builtin collation needs no locale installed and sorts alike everywhere.
        arguments = [f"--pgdata={where(data)}", f"--pwfile={where(self._password_file)}", f"--username={_USER}"]
        arguments += ["--auth=scram-sha-256", "--set=scram_iterations=1", "--encoding=UTF8", "--no-locale"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        arguments += ["--no-sync"] if self._temporary else []
        arguments += self._installation.initdb_options
        account = self._installation.account
        try:
            subprocess.run(  # noqa: S603 - PostgreSQL's own program
                self._installation.argv("initdb", *arguments),
                check=True,
                capture_output=True,
                text=True,
                timeout=_COMMAND_TIMEOUT_S,
                cwd="/",
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=[] if account else None,
            )
        except (OSError, subprocess.SubprocessError) as problem:
            output = getattr(problem, "stderr", None) or str(problem)
            advice = " (as root it runs as another user, who must be able to reach that directory)" if account else ""
            raise ServerDidNotStartError(f"initdb failed in {data}{advice}: {output}") from problem

    def _own(self, path: Path) -> None:
        if self._installation.owner:
            os.chown(path, *self._installation.owner)

    def _ready(self) -> bool:
        """The server keeps its state in a line of its lock file; asking for it costs no connection."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # The lock file may still be a killed server's: the process id tells.
        return len(lines) > _LOCK_FILE_STATUS_LINE and (lines[0], lines[_LOCK_FILE_STATUS_LINE].strip()) == (
            str(self.process.pid),
            "ready",
        )
