"""Messages between the socket and whoever stores them: bounded, one reader."""

import asyncio
from collections import deque
from collections.abc import Iterable

import mqtt5

Message = mqtt5.PublishPacket
"""topic, payload, qos, retain, duplicate, packet_id (None at QoS 0).

The codec's own object, as in aiomqtt 3: a copy into a class of ours costs more than decoding did.
"""


class Inbox:
    """A queue that says when it is full and when it has room again; it never refuses what has arrived.

    It can exceed its bounds by what one read of the socket holds (some 256 KiB).
    """

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._queue: deque[tuple[Message, int]] = deque()
        self._bytes = 0
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Above either bound. At the bound is not full: a broker that honours our receive-maximum never fills it."""
        return len(self._queue) > self._messages_max or self._bytes > self._bytes_max

    @property
    def has_room(self) -> bool:
        """Down to half of both bounds, so that reading does not flicker on and off."""
        return len(self._queue) <= self._messages_max // 2 and self._bytes <= self._bytes_max // 2

    def put(self, messages: Iterable[tuple[Message, int]], size_bytes: int) -> None:
        """Append what one read of the socket brought, and wake the reader if it has what it wants."""
        self._queue.extend(messages)
        self._bytes += size_bytes
        if len(self._queue) >= self._wanted:
            self.wake()

    def take(self, messages_max: int) -> list[Message]:
        """The oldest, at most so many."""
        pop = self._queue.popleft
        taken = [pop() for _ in range(min(messages_max, len(self._queue)))]
        self._bytes -= sum(size for _, size in taken)
        return [message for message, _ in taken]

    def keep_unrepeatable(self) -> None:
        """The connection is gone: drop what comes again, keep QoS 0, which does not."""
        kept = [(message, size) for message, size in self._queue if message.packet_id is None]
        self._queue = deque(kept)
        self._bytes = sum(size for _, size in kept)
        self.wake()

    def wake(self) -> None:
        """Let the reader look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def until(self, wanted: int) -> None:
        """Return when so many messages are here, or at wake()."""
        if self._waiter is not None:
            raise RuntimeError("an inbox has one reader")
        if len(self._queue) >= wanted:
            return
        self._wanted = wanted
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
