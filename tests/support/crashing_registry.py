"""Runs the registry so that it loses its power in the middle of an exchange: `python -m tests.support.crashing_registry POINT`."""

import asyncio
import os
import signal
import sys
from typing import Any, NoReturn

from services.chassis.mqtt import Session
from services.chassis.run import run_until_stopped
from services.chassis.settings import load_settings
from services.registry.broker.reconciler import Reconciler
from services.registry.identity import claims
from services.registry.identity.provisioning import Provisioning
from services.registry.service import build


async def die(*_: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def before_commit() -> None:
    use = claims._use

    async def wrapped(*args: Any) -> None:
        await use(*args)
        await die()

    claims._use = wrapped  # type: ignore[assignment]


def before_broker() -> None:
    Reconciler.give = die  # type: ignore[assignment, method-assign]


def before_puback() -> None:
    puback = Session.puback

    def wrapped(session: Session, messages: Any) -> None:
        if any("/provisioning/" in message.topic for message in messages):
            os.kill(os.getpid(), signal.SIGKILL)
        puback(session, messages)

    Session.puback = wrapped  # type: ignore[assignment, method-assign]


def before_answer() -> None:
    Provisioning._publish = die  # type: ignore[assignment, method-assign]


POINTS = {each.__name__: each for each in (before_commit, before_broker, before_puback, before_answer)}

if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    asyncio.run(run_until_stopped(load_settings(), [build]))
