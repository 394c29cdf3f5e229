"""Who sees to it that we are alive: systemd, which is told so (sd_notify); where there is none, a watchdog of our own.

Alive means that the event loop turns: a process whose loop hangs handles no alarm, and is better killed and started again.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import socket
import sys
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


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Ends the process, as it stands, with exit code 1 and each thread's stack on stderr, once its loop has stood for `patience_s`.

    For containers, whose engine starts anew what has ended and nothing that hangs. It waits in C, beside the interpreter: neither a
    lock that nobody gives back nor a call that never returns holds it up, nor that process 1 can't be killed from within. A process
    that was frozen for longer (`docker pause`) ends when it thaws. 0: there is none.
    """

    patience_s: float = 0.0

    def wait_for(self, longest_s: float) -> None:
        """Something that has no loop to turn may take so long, and no longer: a start, an end."""
        if self.patience_s > 0:
            # Never shorter than a loop may stand: whoever is patient there is so here.
            faulthandler.dump_traceback_later(max(longest_s, self.patience_s), exit=True, file=sys.__stderr__ or 2)

    async def watch(self) -> None:
        """For ever; returns at once where there is none."""
        while self.patience_s > 0:
            self.wait_for(self.patience_s)
            await asyncio.sleep(self.patience_s / 3)  # one late turn is no death

    def rest(self) -> None:
        """Nobody is watched any more."""
        if self.patience_s > 0:
            faulthandler.cancel_dump_traceback_later()
