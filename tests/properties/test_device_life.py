"""The life of devices, in the database: whatever is asked in whatever order by whomever, it holds together afterwards."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from contracts.access import Principal, Role
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.pool import open_pool
from services.registry.devices.life import DeviceLife
from services.registry.devices.patching import Patches
from services.registry.devices.replacing import Pair, Successor
from services.registry.devices.sign_off import Checklist
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import Asked, Filter, NewDevice, Registered
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import MOVES, Refused, legal_moves
from services.registry.domain.own_names import OwnNames
from tests.support.servers import DatabaseServer

T = TypeVar("T")

BOXES = range(4)
ROLES: tuple[Role, ...] = ("ops", "engineer", "viewer")
_EXAMPLES = count()


@dataclass
class Tried:
    """A checklist that the test ticks."""

    missing: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        return not self.missing


@dataclass
class Ground:
    """The database that the examples share; each has devices of its own."""

    runner: asyncio.Runner
    pool: Pool
    tried: Tried = field(default_factory=Tried)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def checklist(self, _connection: Connection, _device_id: str, _now: datetime) -> Checklist:
        return self.tried


class Life(RuleBasedStateMachine):
    """Four devices of one council; everybody asks for anything."""

    ground: Ground

    @initialize(ordered=st.lists(st.booleans(), min_size=4, max_size=4))
    def register(self, ordered: list[bool]) -> None:
        self.prefix = f"L{next(_EXAMPLES)}"
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.store = DeviceStore(self.ground.pool, OwnNames())
        self.life = DeviceLife(self.ground.pool, self.ground.checklist, OwnNames())
        self.patches = Patches(self.ground.pool, self.ground.checklist)
        self.let_in: set[str] = set()  # replaced, and nobody has shut it out
        self.was_live: set[str] = set()
        self.vouched: set[str] = set()
        self.proved: set[str] = set()
        for box in BOXES:
            new = NewDevice(self.id_of(box), "fife", f"SN-{self.id_of(box)}", "hearth-4g")
            stage = "ordered" if ordered[box] else "registered"
            answer = self.run(self.store.register(new, actor="ops", now=self.now, stage=stage))  # type: ignore[arg-type]
            assert isinstance(answer, Registered)

    def id_of(self, box: int) -> str:
        return f"{self.prefix}-{box}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        self.now += timedelta(seconds=1)
        return self.ground.run(work)

    def device(self, box: int) -> Device:
        device = self.ground.run(self.store.get(self.id_of(box)))
        assert device is not None
        return device

    @rule(
        box=st.sampled_from(BOXES),
        move=st.sampled_from([m for m in MOVES if m not in {"go-live", "replace", "reinstate"}]),
        reason=st.sampled_from([None, "as agreed"]),
    )
    def move(self, box: int, move: Any, reason: str | None) -> None:
        before = self.device(box)
        answer = self.run(self.life.move(before.device_id, move, Principal("them", "ops"), reason=reason, now=self.now))
        if isinstance(answer, Refused):
            if answer.reason == "reason_missing":
                assert (move, reason) == ("withdraw", None)
            else:
                assert move not in answer.legal
            assert self.device(box) == before
        else:
            assert answer is not None
            assert move in legal_moves(before.stage, "ops") or answer == before
            if answer.stage == "withdrawn":  # asked for by its name, it is shut out whoever stands in its place
                self.let_in.discard(before.device_id)

    @rule(box=st.sampled_from(BOXES), role=st.sampled_from(ROLES), reason=st.sampled_from([None, "another was meant"]))
    def reinstate(self, box: int, role: Role, reason: str | None) -> None:
        before = self.device(box)
        answer = self.run(self.life.reinstate(before.device_id, Principal("them", role), reason=reason, now=self.now))
        if isinstance(answer, Device) and answer != before:
            assert (before.stage, before.replaced_by, role, bool(reason)) == ("withdrawn", None, "ops", True)
            assert (answer.stage, answer.overridden_at) == ("registered", None)
            self.proved.discard(answer.device_id)
            self.vouched.discard(answer.device_id)
        else:
            assert self.device(box) == before

    @rule(
        box=st.sampled_from(BOXES),
        role=st.sampled_from(ROLES),
        changes=st.fixed_dictionaries(
            {},
            optional={"serial": st.sampled_from(["SN-A", "SN-B"]), "model": st.sampled_from(["hearth-4g", "easy-1"])},
        ),
    )
    def patch(self, box: int, role: Role, changes: dict[str, str]) -> None:
        before = self.device(box)
        if "serial" in changes:
            changes["serial"] += f"-{before.device_id}"
        self.ground.tried.missing = ("mains",)
        answer = self.run(self.patches.patch(before.device_id, changes, Principal("them", role), self.now))
        after = self.device(box)
        if before.stage in {"live", "suspended"}:
            assert after.serial == before.serial
            if after.model != before.model:
                assert after.overridden_at is not None
                self.vouched.add(after.device_id)
        if not isinstance(answer, Device):
            assert after == before

    @rule(
        box=st.sampled_from(BOXES),
        role=st.sampled_from(ROLES),
        override=st.booleans(),
        reason=st.sampled_from([None, "migrated"]),
        missing=st.sampled_from([(), ("mains",)]),
    )
    def go_live(self, box: int, *, role: Role, override: bool, reason: str | None, missing: tuple[str, ...]) -> None:
        before = self.device(box)
        self.ground.tried.missing = missing
        who = Principal("them", role)
        answer = self.run(self.life.go_live(before.device_id, who, override=override, reason=reason, now=self.now))
        if not isinstance(answer, Device) or answer == before:
            return
        assert answer.stage == "live"
        self.was_live.add(answer.device_id)
        if answer.overridden_at is None:
            assert not missing
            self.proved.add(answer.device_id)
        else:
            assert (answer.overridden_by, answer.override_reason, bool(reason)) == ("them", reason, True)
            assert role == "ops" or before.stage == "commissioning"
            self.vouched.add(answer.device_id)

    @rule(old=st.sampled_from(BOXES), new=st.sampled_from(BOXES))
    def replace(self, old: int, new: int) -> None:
        before = self.device(old), self.device(new)
        successor = Successor(self.id_of(new))
        asked = Asked("them", self.now)
        answer = self.run(self.life.replace(self.id_of(old), successor, asked, lambda _: True))
        if isinstance(answer, Pair):
            assert (answer.old.stage, answer.old.replaced_by) == ("withdrawn", answer.new.device_id)
            if before[0].stage != "withdrawn":
                self.let_in.add(answer.old.device_id)
        else:
            assert (self.device(old), self.device(new)) == before

    @invariant()
    def what_is_stored_holds_together(self) -> None:
        if not hasattr(self, "prefix"):
            return
        page = self.ground.run(self.store.page(None, None, len(BOXES), Filter(q=f"{self.prefix}-")))
        devices = {device.device_id: device for device in page}
        for device in devices.values():
            assert (device.live_at is not None) == (device.device_id in self.was_live)
            assert device.stage not in {"live", "suspended"} or device.device_id in self.proved | self.vouched
            passed, at = set[str](), device
            while at.replaced_by is not None:
                assert at.device_id not in passed, "a circle of replacements"
                passed.add(at.device_id)
                at = devices[at.replaced_by]
            if at.stage in {"live", "suspended"}:
                self.let_in.discard(device.device_id)
            on_duty = self.ground.run(self.store.is_on_duty(device.device_id))
            assert on_duty == (device.device_id in self.let_in), "shut out before its successor is live, or not then"

    def teardown(self) -> None:
        """The history tells how it came to be so."""
        if not hasattr(self, "prefix"):
            return
        for box in BOXES:
            device = self.device(box)
            history = self.ground.run(self.store.history(device.device_id))
            stages = [line.after["stage"] for line in reversed(history) if line.after and "stage" in line.after]
            stage = stages[-1] if stages else ("ordered" if history[-1].change == "ordered" else "registered")
            assert stage == device.stage
            for stage, after in pairwise(stages):  # told its successor afterwards, it is withdrawn once more
                assert stage != "withdrawn" or after in {"withdrawn", "registered"}, (
                    "from a withdrawal to the beginning"
                )
            assert all(line.actor for line in history)


def test_whatever_is_asked_of_devices_their_lives_hold_together(postgres_server: DatabaseServer) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(postgres_server.create_database())
        pool = runner.run(open_pool(database.url, role="telecare_registry", name="test"))
        ground = Ground(runner, pool)
        machine = type("Lives", (Life,), {"ground": ground})
        few = settings(max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
        try:
            run_state_machine_as_test(machine, settings=few)
        finally:
            runner.run(pool.close())
            runner.run(postgres_server.drop(database))
