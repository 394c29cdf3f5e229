"""Runs one server for a parent that may be killed: when the parent goes, the server goes.

A program of its own, started by `process.GuardedProcess` as `python -I guard.py ORDER` (ORDER is JSON, see `Order`). It
imports the standard library only, so that it is up in a few hundredths of a second. The parent holds our standard input
open: a byte is the order to stop, and so is its end, however the parent ended. That works on Linux and macOS alike, where
"signal me when my parent dies" is Linux's alone.

The first line on standard output is the server's process id. The guard ends when the server does, with its exit code.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
from typing import TypedDict


class Order(TypedDict):
    """What to run, and how it wants to be asked to stop."""

    argv: list[str]
    log: str  # appended to: the server's standard output and error
    user: int | None  # run as this user and group instead of ours; needs root
    group: int | None
    stop_signals: list[str]  # tried one after the other, each with `grace_s` to take effect; SIGKILL is the last word
    grace_s: float
    remove: list[str]  # directories that must not outlive the parent


def main() -> int:
    """Start the server, say its process id, and stay with it to the end."""
    order: Order = json.loads(sys.argv[1])
    with pathlib.Path(order["log"]).open("ab") as log:
        server = subprocess.Popen(  # noqa: S603 - the argv is our parent's own
            order["argv"],
            stdin=subprocess.PIPE,  # a server that itself watches its standard input then sees us go, too
            stdout=log,
            stderr=log,
            cwd="/",
            user=order["user"],
            group=order["group"],
            extra_groups=None if order["user"] is None else [],
        )
    print(server.pid, flush=True)  # noqa: T201 - this is the answer the parent reads
    orphaned = threading.Event()
    threading.Thread(target=_stop_when_parent_goes, args=(server, order, orphaned), daemon=True).start()
    code = server.wait()
    if orphaned.is_set():
        for directory in order["remove"]:
            shutil.rmtree(directory, ignore_errors=True)
    return code if code >= 0 else 128 - code


def _stop_when_parent_goes(server: subprocess.Popen[bytes], order: Order, orphaned: threading.Event) -> None:
    # Not `sys.stdin`: when the server ends first, the interpreter would wait a second for the lock of a stream being read.
    if not os.read(0, 1):
        orphaned.set()
    for name in [*order["stop_signals"], "SIGKILL"]:
        server.send_signal(signal.Signals[name])
        server.send_signal(signal.SIGCONT)  # a stopped process would keep the request for later
        try:
            server.wait(order["grace_s"])
        except subprocess.TimeoutExpired:
            continue
        return


if __name__ == "__main__":
    sys.exit(main())
