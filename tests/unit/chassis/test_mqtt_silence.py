"""How long a broker may say nothing: as long as we could have heard it, and not while we stood still."""

from collections.abc import Callable
from typing import Any

from services.chassis.mqtt import DisconnectReason
from services.chassis.mqtt.connection import Connection
from services.chassis.mqtt.inbox import Inbox

KEEP_ALIVE_S = 4


class Loop:
    """An event loop whose time the test moves: one timer, which is called when it is reached, or late."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._due_s = 0.0
        self._call: Callable[[], None] = lambda: None

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> "Loop":
        self._due_s = self.now_s + delay_s
        self._call = lambda: call(*arguments)
        return self

    def cancel(self) -> None: ...

    def run(self, *, late_s: float = 0.0) -> None:
        """To its timer, and so much longer before it is called."""
        self.now_s = self._due_s + late_s
        self._call()


async def listening() -> tuple[Connection, Loop]:
    connection, loop = Connection(Inbox(10, 1_000)), Loop()
    connection._loop = loop  # type: ignore[assignment]
    connection._heard_at = loop.now_s
    connection.start(KEEP_ALIVE_S)
    return connection, loop


async def test_a_broker_that_says_nothing_for_one_and_a_half_intervals_is_gone() -> None:
    connection, loop = await listening()
    for _ in range(3):
        loop.run()
        assert connection.reason is None
    loop.run()
    assert connection.reason is not None
    assert connection.reason.reason is DisconnectReason.PEER_SILENT


async def test_what_was_said_while_we_stood_still_is_still_to_be_read() -> None:
    """A process that was stopped for seven seconds had given up a session that stood."""
    connection, loop = await listening()
    loop.run(late_s=7.0)
    assert connection.reason is None
    for _ in range(2):
        loop.run()
        assert connection.reason is None
    loop.run()
    assert connection.reason is not None, "it stood still once, and then it listened in vain"
