"""A service that hangs takes its process with it, where nobody else would start it anew."""

import subprocess
import sys

# A service with one task, in which the loop stands; neither database nor broker is needed for that.
_PROGRAM = """
import asyncio, sys, threading
from services.chassis.run import run_until_stopped
from services.chassis.service import Service
from services.chassis.settings import load_settings

async def hang():
    while all(each.get_name() != "watchdog" for each in asyncio.all_tasks()):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)  # it has begun
    print("hangs", flush=True)
    threading.Event().wait()

async def build(runtime):
    return Service(name="hung", tasks=(hang,))

asyncio.run(run_until_stopped(load_settings(), [build]))
"""
NOBODY = "127.0.0.1:1"


def test_a_process_of_ours_that_hangs_ends_itself_where_it_is_told_to() -> None:
    settings = {
        "TELECARE_DATABASE_URL": f"postgresql://telecare@{NOBODY}/telecare",
        "TELECARE_MQTT_URL": f"mqtt://{NOBODY}",
        "TELECARE_HTTP_PORT": "0",
        "TELECARE_WATCHDOG_S": "5",  # longer than a busy machine keeps it from beginning to hang
    }
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=False, capture_output=True, text=True, timeout=120, env=settings
    )
    assert ended.returncode == 1, ended.stderr
    assert "hangs\n" in ended.stdout
    assert "in hang" in ended.stderr, "where it stood"
