"""`telecare …` as a person starts it: a process of its own, its settings in the environment, its log in a file."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

TELECARE = Path(sys.executable).with_name("telecare")
"""The installed command, next to the interpreter that runs the tests."""
STOP_TIMEOUT_S = 40.0  # the service gives itself 20 (chassis/run.py), and a busy machine takes its own


class Finished(NamedTuple):
    """What a command that ends by itself left behind."""

    code: int
    output: str  # standard output and standard error


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, and of our own environment what is no setting of telecare's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELECARE_")}
    return inherited | {f"TELECARE_{name}": value for name, value in settings.items()}


async def run(
    *arguments: str,
    settings: Mapping[str, str],
    timeout_s: float = 60.0,
    stdin: str | None = None,
    telecare: Sequence[str | Path] = (TELECARE,),
) -> Finished:
    """Run a command to its end, with these lines for it to read."""
    process = await asyncio.create_subprocess_exec(
        *telecare,
        *arguments,
        env=environment(settings),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"telecare {' '.join(arguments)} did not end within {timeout_s} s") from None
    assert process.returncode is not None
    return Finished(process.returncode, output.decode())


class Program:
    """A command that runs until it is told to stop."""

    def __init__(
        self,
        *arguments: str,
        settings: Mapping[str, str],
        log: Path,
        telecare: Sequence[str | Path] = (TELECARE,),
    ) -> None:
        self._command = (*telecare, *arguments)
        self._settings = dict(settings)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again after a kill; its log is appended to."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=environment(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as when a machine loses its power. Safe on one that is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)

    async def stop(self) -> int:
        """SIGTERM; the exit code. Fails when that takes too long, or leaves a child process behind."""
        process = self._process
        assert process is not None
        children = psutil.Process(process.pid).children(recursive=True) if self.running else []
        process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {STOP_TIMEOUT_S} s of SIGTERM") from None
        assert [child for child in children if child.is_running()] == []
        return code

    def log(self) -> str:
        """All that it has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def log_tail(self, lines: int = 60) -> str:
        """The end of that."""
        return "\n".join(self.log().splitlines()[-lines:])
