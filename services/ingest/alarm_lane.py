"""The alarm lane: decode, store and tell alerts in one transaction, then PUBACK, then receipt."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import structlog

from contracts.ids import EventId
from services.chassis.clock import Clock
from services.chassis.mqtt import Message, Session
from services.chassis.postgres.errors import is_data_error
from services.chassis.shard import Progress
from services.ingest.alarm_store import AlarmStore, Arrival
from services.ingest.domain.decode import decode_alarm
from services.ingest.domain.identity import unreadable
from services.ingest.metrics import Tally
from services.ingest.patience import Patience
from services.ingest.receipts import Owed, Receipts

_log = structlog.get_logger(__name__)

BATCH_MAX = 200
RECEIVE_MAX = 1000
UNREPEATABLE_MAX = 10_000


class AlarmLane:
    """`work` is its shard's work; `store_unrepeatable` a loop's `run_once`."""

    def __init__(self, alarms: AlarmStore, receipts: Receipts, tally: Tally, clock: Clock) -> None:
        self._alarms = alarms
        self._receipts = receipts
        self._tally = tally
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        # Alarms sent at QoS 0 whose session ended before they were stored: no broker delivers them again.
        self._unrepeatable: deque[Message] = deque(maxlen=UNREPEATABLE_MAX)
        self.patience = Patience("alarm")

    async def work(self, session: Session, progress: Progress) -> None:
        """Until the session ends it with Disconnected. No linger: an alarm that comes alone goes alone."""
        try:
            await self._work(session, progress)
        finally:  # a session may be given up while it stands, for want of a database
            left = session.unrepeatable()
            self._tally.received(len(left))
            self._keep(left)

    async def _work(self, session: Session, progress: Progress) -> None:
        while True:
            messages = await session.batch(BATCH_MAX)
            progress.taken(len(messages))
            self._tally.received(len(messages))
            try:
                new, repeated = await self._store_all(messages)
            except BaseException:
                self._give_back(messages)
                raise
            session.puback(messages)
            progress.stored(len(messages))
            self._receipts.send(new, repeated)
            _say(new, repeated)

    async def store_unrepeatable(self) -> int:
        """Store what `work` was interrupted over; how many that were."""
        count = min(len(self._unrepeatable), BATCH_MAX)
        messages = [self._unrepeatable.popleft() for _ in range(count)]
        if messages:
            try:
                new, repeated = await self._store_all(messages)
            except BaseException:
                self._unrepeatable.extendleft(reversed(messages))
                raise
            self._receipts.send(new, repeated)
            _say(new, repeated)
        return count

    def _give_back(self, messages: Sequence[Message]) -> None:
        unrepeatable = [message for message in messages if message.packet_id is None]
        self._keep(unrepeatable)
        self._tally.given_back(len(messages) - len(unrepeatable))

    def _keep(self, unrepeatable: Sequence[Message]) -> None:
        lost = len(self._unrepeatable) + len(unrepeatable) - UNREPEATABLE_MAX
        if lost > 0:
            _log.error("alarms_at_qos_0_lost", count=lost, hint="the devices repeat them until they have a receipt")
        self._unrepeatable.extend(unrepeatable)

    async def _store_all(self, messages: Sequence[Message]) -> tuple[list[Owed], list[Owed]]:
        """Commit them, whatever it takes; the receipts owed for new ones, and for repeats."""
        started_at = time.perf_counter()
        now = self._clock.now()
        arrivals = [Arrival(decode_alarm(m.topic, m.payload, now), int(m.qos), m.retain) for m in messages]
        async with self._one_at_a_time:
            new_ids = await self._store(arrivals, messages)
        new: list[Owed] = []
        repeated: list[Owed] = []
        for message, arrival in zip(messages, arrivals, strict=True):
            event_id = arrival.event.event_id
            # discarded once met, for the same bytes may be in one batch twice
            (new if event_id in new_ids else repeated).append(Owed(message.topic, arrival.event))
            new_ids.discard(event_id)
        self._tally.settled(stored=len(new), duplicate=len(repeated), took_s=time.perf_counter() - started_at)
        return new, repeated

    async def _store(self, arrivals: Sequence[Arrival], messages: Sequence[Message]) -> set[EventId]:
        """One transaction; where a row is refused, one for each, so that it costs no other; and the refused one bare."""
        try:
            return await self._commit(arrivals)
        except Exception as error:
            if not is_data_error(error):
                raise
            if len(arrivals) == 1:
                event = arrivals[0].event
                _log.error("alarm_refused_by_database", event_id=event.event_id, error=type(error).__name__)
                return await self._commit([replace(arrivals[0], decoded=unreadable(event, messages[0].payload))])
        new_ids: set[EventId] = set()
        for arrival, message in zip(arrivals, messages, strict=True):
            new_ids |= await self._store([arrival], [message])
        return new_ids

    async def _commit(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        return await self.patience.store(lambda: self._alarms.store(arrivals, self._clock.now()))


def _say(new: Sequence[Owed], repeated: Sequence[Owed]) -> None:
    """Once everybody who waits has been answered: the first line of an alarm's way, under the name that all later ones bear."""
    for owed in new:
        event = owed.event
        _log.info("alarm_event_stored", event_id=event.event_id, device_id=event.device_id, council_id=event.council_id)
    for owed in repeated:
        _log.debug("alarm_event_repeated", event_id=owed.event.event_id, device_id=owed.event.device_id)
