"""`telecare up --embedded` as a person at a terminal meets it: what it prints, how it ends, what it leaves behind."""

import asyncio
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp
import psutil
import pytest

from tests.blackbox.box import Box, Sent
from tests.support.servers import Broker, free_port, until

_UP = [sys.executable, "-m", "services.cli", "up", "--embedded"]
_READY_S = 180.0  # a database is made, migrated and started: a busy machine takes its time
_END_S = 120.0
_URL = re.compile(r"http://127\.0\.0\.1:(\d+)/")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Unlike pytest's, it can be entered by the account that the database of a root user runs as."""
    with tempfile.TemporaryDirectory(prefix="telecare-test-", ignore_cleanup_errors=True) as directory:
        path = Path(directory)
        path.chmod(0o711)
        yield path


def _environment(tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TELECARE_")}
    return inherited | {"TELECARE_DATA_DIR": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}


@contextmanager
def _started(arguments: list[str], tmp_path: Path, output: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, its output in a file; killed at the end if it is still there."""
    environment = _environment(tmp_path) | settings
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*_UP, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _is_up(output: Path) -> re.Match[str]:
    """The address that it prints once it answers."""
    return await until(lambda: _URL.search(output.read_text()), _READY_S, what="the service to be up")


async def _ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, _END_S)


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; one that ends while it is looked at has."""
    left = []
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                left.append(each)
    return left


def _listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def test_the_demo_ends_by_itself_with_a_summary_and_says_whether_everybody_was_answered(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with _started(["--demo", "--boxes", "12", "--for", "8s"], tmp_path, output) as process:
        await _is_up(output)
        left = _family(process)
        code = await _ended(process)
    text = output.read_text()
    assert code == 0, text
    assert "Traceback" not in text, text
    assert re.search(
        r"alarms: (\d+) sent · \1 stored · \1 delivered · (\d+) of the \2 that need a person acknowledged", text
    ), text
    assert re.search(r"TC-0000\d\d .*stored +after \d+ ms", text), text
    assert not _running(left)


async def test_ctrl_c_ends_the_demo_cleanly_and_a_second_run_works(tmp_path: Path) -> None:
    for run in range(2):
        output = tmp_path / f"output-{run}"
        # On the usual port whoever else starts one may listen next.
        port = str(free_port())
        with _started(["--demo", "--boxes", "5"], tmp_path, output, TELECARE_HTTP_PORT=port) as process:
            url = await _is_up(output)
            left = _family(process)
            process.send_signal(signal.SIGINT)
            code = await _ended(process)
        text = output.read_text()
        assert code == 0, text
        assert "Traceback" not in text, text
        assert not _running(left)
        assert url[1] == port
        assert not _listening(int(port))


async def test_a_taken_port_is_replaced_and_the_new_one_printed(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _started([], tmp_path, output, TELECARE_HTTP_PORT=str(port)) as process:
            url = await _is_up(output)
            assert int(url[1]) != port
            assert _listening(int(url[1]))
            process.send_signal(signal.SIGTERM)
            assert await _ended(process) == 0, output.read_text()


_STOPPED_AT_THE_WORD = """
import os, signal, sys
from services.cli import up
from services.cli.demo import view
from services.cli.main import main

def stopping(tell):
    def told(*arguments):
        answer = tell(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return answer
    return told

up._introduce = stopping(up._introduce)
view.PlainView.__enter__ = stopping(view.PlainView.__enter__)
main()
"""


@pytest.mark.parametrize("arguments", [[], ["--demo", "--boxes", "2"]], ids=["up", "demo"])
async def test_whoever_stops_it_at_the_word_that_it_is_up_stops_it_cleanly(
    arguments: list[str], tmp_path: Path
) -> None:
    """It said so before it listened to signals, and was killed where it was."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STOPPED_AT_THE_WORD, "up", "--embedded", *arguments),
        env=_environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert _URL.search(said.decode())


async def test_a_killed_demo_leaves_no_server_behind(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with _started(["--demo", "--boxes", "5"], tmp_path, output) as process:
        await _is_up(output)
        left = _family(process)
        process.kill()
        await until(
            lambda: not _running(left),
            60,
            what="its servers to notice and end",
        )


async def test_at_a_terminal_every_alarm_is_a_line_that_fills_up(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    screen = bytearray()
    os.set_blocking(master, False)

    def read() -> bytes:
        with suppress(BlockingIOError, OSError):
            screen.extend(os.read(master, 65536))
        return bytes(screen)

    process = subprocess.Popen(  # noqa: ASYNC220 - it starts in no time
        [*_UP, "--demo", "--boxes", "8"], env=_environment(tmp_path), stdin=slave, stdout=slave, stderr=slave
    )
    try:
        await until(
            lambda: b"acknowledged" in read() and b"waiting for a person" in screen, _READY_S, what="the live view"
        )
        await until(lambda: re.search(rb"\d+ ms", read()), what="an alarm's milestones")
        process.send_signal(signal.SIGINT)

        def over() -> bool:
            read()  # a full terminal would hold the process up
            return process.poll() is not None

        await until(over, _END_S, what="the demo to end")
        assert process.returncode == 0, screen.decode(errors="replace")
        assert b"worst delay" in read()
        assert b"Traceback" not in screen
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


@dataclass(frozen=True)
class _Printed:
    """The broker that it told of, as a box takes it."""

    port: int
    port_v311: int
    host: str = "127.0.0.1"


async def _heard(box: Box, press: Sent) -> None:
    """As a box does: again, until there is a receipt."""
    for _ in range(20):
        box.again(press)
        with suppress(AssertionError):
            await until(lambda: box.receipts(press), 3)
            return
    raise AssertionError("no receipt")


_SERVERS = {"database": "postgres", "broker": "from iotcore import Broker"}


def _server(process: subprocess.Popen[bytes], program: str) -> psutil.Process:
    """The one that its guard has started. What a database forks comes and goes, and is called as itself until it says otherwise."""
    guards = [each for each in psutil.Process(process.pid).children() if "guard.py" in " ".join(each.cmdline())]
    (server,) = [each for guard in guards for each in guard.children() if program in " ".join(each.cmdline())]
    return server


@pytest.mark.parametrize("server", sorted(_SERVERS))
async def test_a_server_that_is_killed_is_started_again_with_its_data_and_the_next_press_arrives(
    server: str, tmp_path: Path
) -> None:
    output, token = tmp_path / "output", "tc_of_this_test_alone_0000000000"
    with _started([], tmp_path, output, TELECARE_BOOTSTRAP_TOKEN=token) as process:
        url = await _is_up(output)
        # It prints all of that at once, when it is up.
        ports = re.search(r"mqtt://127\.0\.0\.1:(\d+) \(MQTT 5\) or mqtt://127\.0\.0\.1:(\d+)", output.read_text())
        assert ports
        box = Box(cast("Broker", _Printed(int(ports[1]), int(ports[2]))), "TC-KILLED", "fife")
        await box.connect()
        await _heard(box, box.press("fall"))
        _server(process, _SERVERS[server]).kill()
        await until(
            lambda: "embedded_server_started_again" in output.read_text(), _READY_S, what="the server to be back"
        )
        await _heard(box, box.press("smoke"))
        alarms = f"{url[0]}api/v1/alarms?device=TC-KILLED"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:

            async def both() -> bool:
                async with http.get(alarms) as answer:
                    return answer.status == 200 and {each["kind"] for each in (await answer.json())["items"]} == {
                        "fall",
                        "smoke",
                    }

            await until(both, _READY_S)
        box.close()
        process.send_signal(signal.SIGTERM)
        assert await _ended(process) == 0, output.read_text()


async def test_what_it_prints_lets_other_commands_work_beside_it(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with _started([], tmp_path, output) as process:
        await _is_up(output)
        printed = dict(re.findall(r"^ +export (TELECARE_\w+)=(\S+)$", output.read_text(), re.MULTILINE))
        assert printed.keys() == {"TELECARE_DATABASE_URL", "TELECARE_MQTT_URL"}
        beside = await asyncio.create_subprocess_exec(
            *(*_UP[:-2], "token", "create", "ours", "--role", "ops"),
            env=_environment(tmp_path) | printed,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await beside.communicate()
        assert beside.returncode == 0, said.decode()
        process.send_signal(signal.SIGTERM)
        assert await _ended(process) == 0, output.read_text()
    assert "Traceback" not in output.read_text()


async def test_without_a_demo_too_it_ends_when_it_was_told(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with _started(["--for", "1s"], tmp_path, output) as process:
        assert await asyncio.to_thread(process.wait, _READY_S) == 0, output.read_text()
    assert _URL.search(output.read_text())
    assert "Traceback" not in output.read_text()


@pytest.mark.parametrize("arguments", [["--embedded"], []], ids=["embedded", "real"])
async def test_boxes_without_the_demo_are_refused_and_not_passed_over(arguments: list[str], tmp_path: Path) -> None:
    assert b"--boxes needs --demo" in await _refused(tmp_path, *arguments, "--boxes", "3")


@pytest.mark.parametrize("arguments", [["--demo"], ["--for", "5s"]])
async def test_the_demo_never_writes_made_up_devices_into_a_real_database(arguments: list[str], tmp_path: Path) -> None:
    assert b"need --embedded" in await _refused(tmp_path, *arguments)


async def _refused(tmp_path: Path, *arguments: str) -> bytes:
    """What `telecare up` says to these, which it will not have."""
    process = await asyncio.create_subprocess_exec(
        *(*_UP[:-1], *arguments),
        env=_environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 2
    return said
