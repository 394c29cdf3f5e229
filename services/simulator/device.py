"""One box as a pure state machine that keeps the contract's promises ("What a device promises").

No clock, no socket: whoever drives it says what happens and what time it is, publishes what `step` returns, and comes back at
`wake_at`. Times are true time, in UTC; what the box believes is that plus its clock's skew.
"""

import hashlib
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from contracts.device import Command, Receipt
from contracts.ids import BootId
from contracts.vocabulary import Network
from services.simulator.flaws import Flaws
from services.simulator.malformed import garble
from services.simulator.memory import AlarmMemory, KeptAlarm
from services.simulator.messages import Outgoing, alarm_payload, encode, status_message
from services.simulator.occurrence import Occurrence
from services.simulator.population import DeviceIdentity
from services.simulator.power import Power, Report
from services.simulator.timing import Timing

FIRMWARE: Final = "4.2.1"
_COMMANDS_REMEMBERED: Final = 16
_INTERVAL_S_MIN: Final = 1
_INTERVAL_S_MAX: Final = 24 * 3600
_HEARTBEAT_JITTER: Final = 0.05  # so that boxes that booted together drift apart
_FADING_DB: Final = 2  # around what is heard where it stands; it does not wander off
_REPORTS: Final[Mapping[Report, Occurrence]] = {
    "mains_lost": Occurrence(kind="power_supply"),
    "battery_low": Occurrence(kind="power_supply", status="battery_low"),
}


class Device:
    """Made switched on and freshly booted, with mains and a full battery, not connected."""

    def __init__(
        self,
        identity: DeviceIdentity,
        *,
        now: datetime,
        rng: random.Random,
        timing: Timing | None = None,
        flaws: Flaws | None = None,
    ) -> None:
        self.identity = identity
        self.timing = timing or Timing()
        self.flaws = flaws or Flaws()
        self.memory = AlarmMemory(repeat_max_s=self.timing.repeat_max_s, jitter=self.timing.repeat_jitter)
        self.power = Power(self.timing, now)
        self._rng = rng
        self._signal_dbm = rng.randint(-105, -65)  # what is heard where it stands
        self.network: Network = identity.network
        self._commands_seen: deque[str] = deque(maxlen=_COMMANDS_REMEMBERED)
        self._born: list[KeptAlarm] = []
        self.boot(now)

    # What happens to it

    def boot(self, now: datetime) -> None:
        """Start, or start again: a new boot_id, seq from 0; nothing else survives but the alarms."""
        self.is_on = True
        self.is_connected = False
        self.boot_id = self._new_boot_id()
        self.heartbeat_interval_s = self.timing.heartbeat_interval_s
        self._often_until: datetime | None = None
        self._seq = 0
        self._heartbeat_at = now
        self._greeted = False
        self.memory.restart(now, self.timing.repeat_first_s)

    def connected(self) -> None:
        """The broker has taken the connection; the next step says `online`."""
        self.is_connected, self._greeted = self.is_on, False

    def disconnected(self) -> None:
        """The connection is gone."""
        self.is_connected = False

    def lose_mains(self, now: datetime) -> None:
        """On the battery from now on."""
        self.power.lose_mains(now)

    def restore_mains(self, now: datetime) -> None:
        """Mains again. A box that had gone flat boots; what was reported as lost is reported as restored."""
        self._advance(now)
        was_reported = self.power.restore_mains(now)
        if not self.is_on:
            self.boot(now)
        if was_reported:
            self.raise_alarm(Occurrence(kind="power_supply", status="restored"), now)

    def move(self, *, network: Network | None = None, signal_dbm: int | None = None) -> None:
        """Somebody pulled its network cable or put it back, or carried it to where its SIM hears so much."""
        self.network = network or self.network
        self._signal_dbm = self._signal_dbm if signal_dbm is None else signal_dbm

    def raise_alarm(self, occurrence: Occurrence, now: datetime) -> KeptAlarm | None:
        """Make an event of it, in memory before anything else. None when the box is off: it hears nothing then."""
        if not self.is_on:
            return None
        if occurrence.garbling is None and occurrence.status == "activated" and not occurrence.test:
            occurrence = replace(occurrence, garbling=self.flaws.garbling(self._rng))
        seq = self._next_seq()
        payload = alarm_payload(occurrence, self.boot_id, seq, self._believed(now))
        if occurrence.garbling is not None:
            payload = garble(payload, occurrence.garbling, self._rng)
        alarm = KeptAlarm(
            occurrence=occurrence,
            boot_id=self.boot_id,
            seq=seq,
            payload=payload,
            payload_sha256=hashlib.sha256(payload).hexdigest(),
            due_at=now,
            repeat_s=self.timing.repeat_first_s,
        )
        self.memory.keep(alarm)
        self._born.append(alarm)
        return alarm

    def receive(self, lane: str, payload: bytes, now: datetime) -> Receipt | Command | None:
        """Take in what came on `receipt` or `command`; returns what it heeded, None for what it cannot read or missed."""
        try:
            if lane == "receipt":
                return self._heed_receipt(Receipt.model_validate_json(payload))
            return self._heed_command(Command.model_validate_json(payload), now)
        except ValueError:
            return None

    # What it does

    @property
    def wake_at(self) -> datetime | None:
        """The next instant at which `step` has something to do; None while only an event from outside can change that."""
        if not self.is_on:
            return None
        instants = [self.power.next_at]
        if self.is_connected:
            instants += [self._heartbeat_at, self.memory.next_due_at]
        return min((instant for instant in instants if instant is not None), default=None)

    def step(self, now: datetime) -> list[Outgoing]:
        """Everything that is due at `now`, in the order to publish it. Nothing while it is not connected."""
        self._advance(now)
        if not self.is_connected:
            return []
        messages = [*self._greeting(now), *self._due_alarms(now), *self._due_heartbeat(now)]
        return [copy for message in messages for copy in self._copies(message)]

    def take_born(self) -> list[KeptAlarm]:
        """The alarms since the last call, for whoever keeps the books: the box raises some of itself."""
        born, self._born = self._born, []
        return born

    def will(self, now: datetime) -> Outgoing:
        """What the broker is to say for it when the connection breaks; and what it says itself before it hangs up."""
        return status_message("offline", self.boot_id, self._believed(now))

    # How

    def _advance(self, now: datetime) -> None:
        """What time alone does to a box without mains: it reports that, then that it runs low, then falls silent."""
        if not self.is_on:
            return
        for report in self.power.take_reports(now):
            self.raise_alarm(_REPORTS[report], now)
        if self.power.is_flat(now):
            self.is_on = self.is_connected = False

    def _greeting(self, now: datetime) -> Iterator[Outgoing]:
        if not self._greeted:
            self._greeted = True
            yield status_message("online", self.boot_id, self._believed(now))

    def _due_alarms(self, now: datetime) -> Iterator[Outgoing]:
        for alarm in self.memory.take_due(now, self._rng):
            yield Outgoing(lane="alarm", payload=alarm.payload, qos=self.flaws.qos, alarm=alarm)

    def _due_heartbeat(self, now: datetime) -> Iterator[Outgoing]:
        if now < self._heartbeat_at:
            return
        if self._often_until is not None and now >= self._often_until:
            self.heartbeat_interval_s, self._often_until = self.timing.heartbeat_interval_s, None
        spread = self._rng.uniform(1 - _HEARTBEAT_JITTER, 1 + _HEARTBEAT_JITTER)
        self._heartbeat_at = now + timedelta(seconds=self.heartbeat_interval_s * spread)
        payload = self._heartbeat_payload(now)
        form = self.flaws.garbling(self._rng)
        yield Outgoing(
            lane="heartbeat",
            payload=garble(payload, form, self._rng) if form else payload,
            qos=self.flaws.qos,
            expiry_s=max(1, round(2 * self.heartbeat_interval_s)),
        )

    def _heartbeat_payload(self, now: datetime) -> bytes:
        signal_dbm = min(-51, max(-115, self._signal_dbm + self._rng.randint(-_FADING_DB, _FADING_DB)))
        is_mobile = self.network not in {"ethernet", "wifi"}
        return encode(
            boot_id=self.boot_id,
            seq=self._next_seq(),
            sent_at=self._believed(now),
            battery_pct=int(self.power.level_pct(now)),
            mains=self.power.mains,
            network=self.network,
            signal_dbm=signal_dbm if is_mobile else None,
            sim_operator=self.identity.sim_operator,
            cell_id=f"{self.identity.postcode_district}-1" if is_mobile else None,
            firmware=FIRMWARE,
            temperature_c=round(self._rng.gauss(20.5, 1.5), 1),
        )

    def _copies(self, message: Outgoing) -> list[Outgoing]:
        alarm = message.alarm
        twice = alarm is not None and alarm.occurrence.sent_twice and alarm.sent_count == 1
        twice = twice or (message.lane != "status" and self.flaws.duplicates(self._rng))
        return [message, message] if twice else [message]

    def _heed_receipt(self, receipt: Receipt) -> Receipt | None:
        if self.flaws.misses_receipt(self._rng):
            return None
        self.memory.release(receipt)
        return receipt

    def _heed_command(self, command: Command, now: datetime) -> Command | None:
        if command.expires_at <= self._believed(now) or command.command_id in self._commands_seen:
            return None
        self._commands_seen.append(command.command_id)
        if command.name == "set_heartbeat_interval":
            interval_s = command.args.get("interval_s")
            if not isinstance(interval_s, int | float) or not _INTERVAL_S_MIN <= interval_s <= _INTERVAL_S_MAX:
                return None
            for_s = command.args.get("for_s")
            self.heartbeat_interval_s, self._often_until = interval_s, None
            if isinstance(for_s, int | float) and 0 < for_s <= _INTERVAL_S_MAX:
                self._often_until = now + timedelta(seconds=for_s)
        self._heartbeat_at = now
        return command

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1

    def _new_boot_id(self) -> BootId:
        if self.flaws.no_entropy:  # what firmware does that seeds its randomness with nothing but its serial number
            return BootId(hashlib.sha256(self.identity.serial.encode()).hexdigest()[:16])
        return BootId(f"{self._rng.getrandbits(64):016x}")

    def _believed(self, now: datetime) -> datetime:
        return now + self.flaws.clock_skew
