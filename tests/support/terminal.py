"""`telecare`, as somebody types it."""

import asyncio
import os
import sys

from tests.blackbox.api import Api


async def telecare(api: Api, *arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error; with the address and the token of `api`."""
    environment = os.environ | {"TELECARE_API_URL": api.url, "TELECARE_API_TOKEN": api.token or "", "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        env=environment,
        stdin=None if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    return process.returncode or 0, out.decode(), err.decode()
