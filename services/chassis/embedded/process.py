"""A server as our child, that no crash of ours leaves behind and no Ctrl-C takes from us too early."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from services.chassis.embedded import guard

_POLL_S = 0.01
_GRACE_S = 5.0  # for each way of asking a server to stop
_LOG_TAIL_BYTES = 2_000


class ServerDidNotStartError(RuntimeError):
    """An embedded server ended, or was not ready, within its time. The message holds the end of its log."""


class Account(NamedTuple):
    """Whom a server runs as, where that is not ourselves."""

    user: int
    group: int


class GuardedProcess:
    """One running server under its guard (`guard.py`), in a session of its own.

    The session keeps the terminal's Ctrl-C from the server, which is to be there until the services have drained.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        account: Account | None = None,
        stop_signals: Sequence[signal.Signals] = (signal.SIGTERM,),
        remove: Sequence[Path] = (),
    ) -> None:
        """Start `argv`; raise `ServerDidNotStartError` if it can't be run at all."""
        self._log = log
        self._stop_timeout_s = (len(stop_signals) + 2) * _GRACE_S
        order = guard.Order(
            argv=list(argv),
            log=str(log),
            user=account.user if account else None,
            group=account.group if account else None,
            stop_signals=[each.name for each in stop_signals],
            grace_s=_GRACE_S,
            remove=[str(each) for each in remove],
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._guard = subprocess.Popen(  # noqa: S603 - our own interpreter on our own file
                [sys.executable, "-I", guard.__file__, json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        first_line = self._guard.stdout.readline() if self._guard.stdout else b""
        if not first_line:
            self._reap()
            raise ServerDidNotStartError(self._tale(f"{argv[0]} can't be run"))
        self.pid = int(first_line)

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return self._guard.poll() is None

    def wait_until_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return once `ready()`; otherwise stop the server and raise `ServerDidNotStartError`."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running or time.monotonic() > deadline:
                ended = not self.running
                self.stop()
                raise ServerDidNotStartError(self._tale("it ended at once" if ended else f"not ready in {timeout_s} s"))
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Ask the server to end, insist in the end, and return when it has. Safe to call twice."""
        if self._guard.stdin:
            with suppress(BrokenPipeError, ValueError):  # it ended before us; we were here before
                self._guard.stdin.write(b"s")
                self._guard.stdin.flush()
        try:
            self._guard.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reap()

    def kill(self) -> None:
        """SIGKILL the server and its children at once, as a power cut would, and return when all are gone."""
        if self.running or self._guard.returncode < 0:  # a guard that was itself killed leaves its server behind
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGSTOP)  # so that it starts no child while we count them
            family = self.family()
            signal_all(family, signal.SIGKILL)
            _wait_until_gone(family)
        self._reap()

    def family(self) -> list[int]:
        """The server's process id, and its children's."""
        return [self.pid, *(pid for pid, entry in _processes().items() if entry.parent == self.pid)]

    def _reap(self) -> None:
        # The guard ends by itself. Only then the pipes: their end would tell it that we are gone, and to tidy up.
        self._guard.wait(self._stop_timeout_s)
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _tale(self, problem: str) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LOG_TAIL_BYTES))
            return f"{problem}; the end of {self._log}:\n{log.read().decode(errors='replace').rstrip()}"


def signal_all(pids: Sequence[int], signal_number: signal.Signals) -> None:
    """Send the signal to each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)


class _Process(NamedTuple):
    parent: int
    zombie: bool


def _processes() -> dict[int, _Process]:
    """All processes of the machine: from /proc where there is one (a bare Debian has no `ps`), else from `ps`."""
    if Path("/proc/self/stat").exists():
        return _processes_of_proc()
    listing = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid=,stat="], check=True, capture_output=True, text=True)
    rows = (line.split() for line in listing.stdout.splitlines())
    return {int(pid): _Process(int(parent), state.startswith("Z")) for pid, parent, state in rows}


def _processes_of_proc() -> dict[int, _Process]:
    found: dict[int, _Process] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it ended while we were looking
                # "pid (name) state ppid …", and the name may hold anything, brackets too
                state, parent, *_ = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                found[int(entry.name)] = _Process(int(parent), state == "Z")
    return found


def _wait_until_gone(pids: Sequence[int], timeout_s: float = 60.0) -> None:
    """A zombie counts as gone: it holds no port, no memory and no lock, and an init that never reaps may keep it.

    Who is in the middle of a write goes when the disk has it, which a slow one takes its time for.
    """
    deadline = time.monotonic() + timeout_s
    while any(pid in (now := _processes()) and not now[pid].zombie for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {pids} are still there {timeout_s} s after SIGKILL")
        time.sleep(_POLL_S)
