"""The real stack, as `deploy/stack/install` leaves it: Debian 13's servers, in a root file system or on the host itself.

They run with the files that `deploy/` ships. Data live inside the root, so that nothing needs to be mounted.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.chassis.embedded.cluster import PostgresCluster
from services.chassis.embedded.ports import LOOPBACK, answers
from services.chassis.embedded.process import Account, GuardedProcess
from tests.support.ports import free_port

REPOSITORY: Final = Path(__file__).parents[2]
DEPLOY: Final = REPOSITORY / "deploy"

_READY_TIMEOUT_S: Final = 60.0
_CLONE_NEWNS: Final = 0x20000  # of sched.h: a mount namespace of our own. Python has `os.unshare` from 3.12 on

# Only what a test machine can't bear, or a test must not wait for; everything else is `deploy/postgresql/telecare.conf`.
_TEST_SETTINGS: Final = MappingProxyType(
    {
        "timescaledb.max_background_workers": "0",  # they connect to templates, and CREATE DATABASE then fails
        "dynamic_shared_memory_type": "mmap",  # the root file system has no /dev/shm that anybody may write to
    }
)


class Stack:
    """Where the servers are, and how one of them is run as the user its package made."""

    @cached_property
    def root(self) -> Path:
        """`/`, or the root file system. Raises `FileNotFoundError` where the real stack isn't installed."""
        home = Path(os.environ.get("TELECARE_STACK_DIR", REPOSITORY / "var" / "stack"))
        stamp = home / "installed"
        if not stamp.exists():
            raise FileNotFoundError(f"{stamp} does not exist: run deploy/stack/install, or 'make test-stack'")
        return Path(stamp.read_text().splitlines()[0])

    @property
    def scratch(self) -> Path:
        """Where temporary directories go."""
        return self.root / "tmp"

    def keep_in_memory(self) -> None:
        """Lay a file system in memory over `scratch`, for this process and those that it starts; it goes with the last of them.

        They are synced to it as they would be to a disk, which half of the time is all that the tests wait for. Where we may not
        mount, or the host's own directory is used, it stays the disk.
        """
        if os.geteuid() != 0 or self.root == Path("/") or ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
            return
        in_memory = ["-t", "tmpfs", "-o", "mode=1777", "telecare-tests", str(self.scratch)]
        for arguments in (["--make-rprivate", "/"], in_memory):
            subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=60)

    def inside(self, path: Path) -> str:
        """The path as the servers see it."""
        return f"/{path.resolve().relative_to(self.root.resolve())}"

    def account(self, user: str) -> Account | None:
        """The ids of a package's user; None when we aren't root and everything runs as ourselves."""
        if os.geteuid() != 0:
            return None
        entries = (line.split(":") for line in (self.root / "etc" / "passwd").read_text().splitlines())
        return next(Account(int(entry[2]), int(entry[3])) for entry in entries if entry[0] == user)

    def argv(self, user: str, program: str, *arguments: str) -> list[str]:
        """The command line that runs one of the programs, as that user where we are root."""
        account = self.account(user)
        if account is None:
            return [program, *arguments]
        identity = f"--userspec={account.user}:{account.group}"
        return ["chroot", identity, "--groups=", str(self.root), program, *arguments]

    def temporary_directory(self, prefix: str, user: str) -> Path:
        """A new directory of that user's, which its server can reach."""
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=self.scratch))
        account = self.account(user)
        if account is not None:
            os.chown(directory, *account)
        return directory

    def run(self, program: str, *arguments: str, files: Path) -> subprocess.CompletedProcess[str]:
        """Run a tool to its end on a copy of `files`; `{files}` in an argument is where the copy is."""
        copy = Path(tempfile.mkdtemp(prefix="telecare-files-", dir=self.scratch))
        try:
            shutil.copytree(files, copy, dirs_exist_ok=True)
            copy.chmod(0o755)
            argv = self.argv("nobody", program, *(each.format(files=self.inside(copy)) for each in arguments))
            here = {
                **os.environ,
                "TMPDIR": "/tmp",
            }  # the root file system's; the tests' own may be none that `nobody` may write to
            return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=240, cwd="/", env=here)
        finally:
            shutil.rmtree(copy)


STACK: Final = Stack()


class DebianInstallation:
    """PostgreSQL 17 with TimescaleDB of the real stack."""

    account = None  # chroot switches
    leftovers: Final[list[Path]] = []
    initdb_options: Final[list[str]] = []

    @property
    def owner(self) -> Account | None:
        return STACK.account("postgres")

    @property
    def scratch(self) -> Path:
        return STACK.scratch

    def argv(self, program: str, *arguments: str) -> list[str]:
        return STACK.argv("postgres", f"/usr/lib/postgresql/17/bin/{program}", *arguments)

    def path(self, path: Path) -> str:
        return STACK.inside(path)


class RealPostgres(PostgresCluster):
    """PostgreSQL 17 with TimescaleDB and the shipped settings."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        pristine: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`directory`: where it is to live, inside the root, and stays when it is stopped.

        `settings`: what belongs to the machine, and so is not in the shipped file.
        """
        super().__init__(DebianInstallation(), directory, pristine=pristine, settings={**_TEST_SETTINGS, **settings})

    def initialise(self) -> Path:
        """As the cluster's, and the shipped file included as Debian's conf.d would."""
        home = super().initialise()
        shipped, main = home / "data" / "telecare.conf", home / "data" / "postgresql.conf"
        if not shipped.exists():
            shutil.copyfile(DEPLOY / "postgresql" / "telecare.conf", shipped)
            shipped.chmod(0o644)
            with main.open("a") as settings:
                settings.write("\ninclude 'telecare.conf'\n")
        return home


class RealBroker:
    """Mosquitto with the shipped settings, on a port of loopback. It keeps its sessions over `kill` and `start`."""

    def __init__(self, register: str | None = None) -> None:
        """`register`: the first dynamic-security.json; without one everybody is let in."""
        self._first_register = register
        self._server: GuardedProcess | None = None
        self._directory: Path | None = None
        self.port = self.port_v311 = 0
        self.more_ports: Sequence[int] = ()  # of listeners that a test has added: they stand a moment later

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def process(self) -> GuardedProcess:
        if self._server is None:
            raise RuntimeError("Mosquitto is not running")
        return self._server

    @property
    def directory(self) -> Path:
        """Where it keeps its files; `RuntimeError` before the first start."""
        if self._directory is None:
            raise RuntimeError("Mosquitto has no directory yet: start it first")
        return self._directory

    def start(self) -> None:
        if self._directory is None:
            self._directory = STACK.temporary_directory("telecare-mosquitto-", "mosquitto")
            self.port = self.port_v311 = free_port()
            self._configure()
        self._server = GuardedProcess(
            STACK.argv("mosquitto", "/usr/sbin/mosquitto", "-c", f"{STACK.inside(self.directory)}/mosquitto.conf"),
            log=self.directory / "mosquitto.log",
            stop_signals=(signal.SIGTERM,),
            remove=[self.directory],
        )
        self._server.wait_until_ready(lambda: all(map(answers, (self.port, *self.more_ports))), _READY_TIMEOUT_S)

    def halt(self) -> None:
        """Stop it; it writes its sessions down first, and `start` finds them."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def kill(self) -> None:
        self.process.kill()
        self._server = None

    def narrow(self, messages: int) -> None:
        """Start it again: it keeps so many messages for each who is away, and tells of itself every second."""
        self.halt()
        (self.directory / "conf.d" / "zz-narrow.conf").write_text(f"max_queued_messages {messages}\nsys_interval 1\n")
        self.start()

    def stop(self) -> None:
        """Stop it, and leave nothing."""
        self.halt()
        if self._directory is not None:
            shutil.rmtree(self._directory)
            self._directory = None

    def _configure(self) -> None:
        """What belongs to this machine, and the shipped file as its package's own main file includes it."""
        shipped = self.directory / "conf.d"
        shipped.mkdir()
        shutil.copy(DEPLOY / "mosquitto" / "telecare.conf", shipped)
        if self._first_register is not None:
            self._secure(shipped, self._first_register)
        (self.directory / "mosquitto.conf").write_text(
            f"persistence_location {STACK.inside(self.directory)}/\n"
            f"listener {self.port} {LOOPBACK}\n"
            f"{'allow_anonymous true' if self._first_register is None else ''}\n"
            "log_dest stderr\n"
            f"include_dir {STACK.inside(shipped)}\n"
        )

    @property
    def register(self) -> Path:
        """The file in which it keeps its users."""
        return self.directory / "dynamic-security" / "dynamic-security.json"

    def write_register(self, text: str) -> None:
        """As an operator puts it there."""
        self.register.write_text(text)
        self.register.chmod(0o600)
        if (account := STACK.account("mosquitto")) is not None:
            os.chown(self.register, *account)

    def _secure(self, shipped: Path, register: str) -> None:
        """The shipped drop-in, with the register where this broker's files are."""
        home = self.register.parent
        home.mkdir(mode=0o700)
        if (account := STACK.account("mosquitto")) is not None:
            os.chown(home, *account)
        self.write_register(register)
        text = (DEPLOY / "mosquitto" / "users.conf").read_text()
        text = text.replace("/var/lib/mosquitto/dynamic-security", STACK.inside(home))
        (shipped / "users.conf").write_text(text)
