"""`telecare`, as somebody types it."""

import asyncio
import os
import pty
import sys
from collections.abc import Mapping

from tests.blackbox.api import Api

_READ_BYTES = 65_536


async def telecare(api: Api, *arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error; with the address and the token of `api`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        stdin=None if stdin is None else asyncio.subprocess.PIPE,
        env=_environment(api, COLUMNS="200"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    return process.returncode or 0, out.decode(), err.decode()


async def telecare_on_a_screen(api: Api, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Exit code, and all that the terminal was sent, which is no pipe: nothing is taken out of it on the way."""
    ours, its = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", *arguments),
            env=_environment(api, COLUMNS=str(columns), TERM="dumb"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=its,
            stderr=its,
        )
    finally:
        os.close(its)
    shown = await asyncio.to_thread(_all_of, ours)
    return await process.wait(), shown.decode().replace("\r\n", "\n")


def _all_of(terminal: int) -> bytes:
    shown = b""
    try:
        while some := os.read(terminal, _READ_BYTES):
            shown += some
    except OSError:  # Linux says so when nobody holds the other end any more
        pass
    finally:
        os.close(terminal)
    return shown


def _environment(api: Api, **others: str) -> Mapping[str, str]:
    return os.environ | {"TELECARE_API_URL": api.url, "TELECARE_API_TOKEN": api.token or "", **others}
