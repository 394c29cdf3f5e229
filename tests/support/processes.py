"""A service as a process of its own: started, paused, killed, made to crash at a chosen point; its log read as events."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.servers import free_port, until

ROOT = Path(__file__).parents[2]
_STOP_S = 60.0


class ServiceProcess:
    """`telecare ingest` and its like.

    `crash_at` names a point of `tests/support/crashing.py`; `lease_s` is how long its leases last instead of the service's four.
    """

    def __init__(
        self,
        service: str,
        *,
        database_url: str,
        mqtt_url: str,
        log: Path,
        crash_at: str | None = None,
        lease_s: float | None = None,
    ) -> None:
        self._log = log
        self._port = free_port()
        module = ["services.cli"]
        if crash_at is not None:
            module = ["tests.support.crashing", crash_at]
        elif lease_s is not None:
            module = ["tests.support.leasing", str(lease_s)]
        self._argv = [sys.executable, "-m", *module, service]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELECARE_")}
        self._environment = inherited | {
            "TELECARE_DATABASE_URL": database_url,
            "TELECARE_MQTT_URL": mqtt_url,
            "TELECARE_HTTP_PORT": str(self._port),
            "TELECARE_LOG_FORMAT": "json",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `ready` says when it works."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def url(self) -> str:
        """Of its HTTP, for as long as it lives and every time that it does."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ended(self) -> bool:
        """Whether it has, by whatever cause."""
        return self._running.poll() is not None

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until `/readyz` says so."""

        async def answers() -> bool:
            assert not self.ended, f"it has ended:\n{self._log.read_text()[-4000:]}"
            return await self.is_ready()

        await until(answers, timeout_s, what="the process to be ready")

    async def is_ready(self) -> bool:
        """Ask `/readyz`."""

        def ask() -> bool:
            try:
                with urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=4) as answer:
                    return bool(answer.status == 200)
            except (URLError, OSError):
                return False

        return await asyncio.to_thread(ask)

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and does nothing."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, as when a machine loses its power. Safe on one that has ended or never started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._running.terminate()
        return await asyncio.to_thread(self._running.wait, _STOP_S)

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it has logged so far, all or by the name of the event."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        lines = text.rpartition("\n")[0].split("\n")  # whole ones: of the last, half may be written
        told = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [each for each in told if name is None or each["event"] == name]

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was not started"
        return self._process
