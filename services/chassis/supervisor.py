"""What systemd is told of us (sd_notify): that we have started, that we are alive, that we are stopping.

Alive means that the event loop turns: a process whose loop hangs handles no alarm, and is better killed and started again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Supervisor:
    """`address` of its socket; `alive_every_s`, None where it does not ask. Nobody to tell is no fault, nor one who is gone."""

    address: str | None = None
    alive_every_s: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As systemd has set it, for this process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        address = environment.get("NOTIFY_SOCKET")
        if not address or address[0] not in "/@":
            return cls()
        usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
        ours = pid is None or pid == str(os.getpid())
        # Thrice within its patience: one late turn is no death.
        return cls(address, int(usec) / 1e6 / 3 if usec.isdigit() and int(usec) > 0 and ours else None)

    def started(self) -> None:
        self._say("READY=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    async def say_alive(self) -> None:
        """For ever; returns at once where nobody asks."""
        while self.alive_every_s is not None:
            self._say("WATCHDOG=1")
            await asyncio.sleep(self.alive_every_s)

    def _say(self, state: str) -> None:
        if self.address is None:
            return
        to = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address  # Linux's abstract names
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto(state.encode(), to)
        except OSError:
            return
