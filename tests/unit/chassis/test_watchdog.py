"""A process whose loop stands ends itself: tried on processes, for whoever is watched is ended."""

import subprocess
import sys

import pytest

PATIENCE_S = 2.0

_PROGRAM = """
import asyncio, contextlib, signal, sys, threading, time
from services.chassis.supervisor import Watchdog

async def main(what, patience_s):
    watchdog = Watchdog(patience_s)
    watchdog.wait_for(60.0)
    watched = asyncio.create_task(watchdog.watch())
    await asyncio.sleep(0)  # it has begun
    print("watched", flush=True)
    if what == "hangs":
        threading.Lock().acquire() and threading.Event().wait()
    if what == "lives":
        await asyncio.sleep(1.5 * patience_s)
    if what == "hangs at its end":
        watched.cancel()
        watchdog.wait_for(0.1)
        threading.Event().wait()
    if what == "ends":
        watched.cancel()
        watchdog.rest()
        time.sleep(2 * patience_s)
    if what == "nobody watches":
        time.sleep(0.5)
        assert watched.done()

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


def run(what: str, patience_s: float) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", _PROGRAM, what, f"{patience_s}"]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("what", ["hangs", "hangs at its end"])
def test_a_process_whose_loop_stands_ends_and_says_where_it_stood(what: str) -> None:
    ended = run(what, PATIENCE_S)
    assert (ended.returncode, ended.stdout) == (1, "watched\n")
    assert "threading.py" in ended.stderr
    assert "in main" in ended.stderr


# Who lives is ended, too, when the machine pauses for two thirds of its patience: that must be more than this one does.
@pytest.mark.parametrize(
    ("what", "patience_s"), [("lives", 5 * PATIENCE_S), ("ends", PATIENCE_S), ("nobody watches", 0)]
)
def test_one_whose_loop_turns_lives_and_one_that_is_over_is_let_be(what: str, patience_s: float) -> None:
    ended = run(what, patience_s)
    assert (ended.returncode, ended.stderr) == (0, "")
