"""What systemd hears, on a socket of the kind that it gives us."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.chassis.supervisor import Supervisor


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Its end of the line, and NOTIFY_SOCKET."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@telecare-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(name.replace("@", "\0"))
        line.settimeout(60)
        yield line, name


async def test_it_is_told_of_the_start_of_life_and_of_the_end(heard: tuple[socket.socket, str]) -> None:
    line, name = heard
    supervisor = Supervisor.from_environment({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000"})
    assert supervisor.alive_every_s == pytest.approx(0.01)
    supervisor.started()
    alive = asyncio.create_task(supervisor.say_alive())
    said = [await asyncio.to_thread(line.recv, 64) for _ in range(4)]
    alive.cancel()
    line.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while line.recv(64):  # it holds ten, and what finds it full is lost, as on a machine where we read too late
            pass
    supervisor.stopping()
    assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert line.recv(64) == b"STOPPING=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "vsock:2:1"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"},
    ],
)
async def test_nobody_to_tell_is_no_fault(environment: dict[str, str]) -> None:
    supervisor = Supervisor.from_environment(environment)
    supervisor.started()
    async with asyncio.timeout(60):
        await supervisor.say_alive()  # it returns: nobody waits for it
    supervisor.stopping()
