"""Makes the broker's register say what the database says: at the start, at each change, and all of it each minute."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog

from services.chassis.clock import Clock
from services.chassis.mqtt import MqttUrl
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow
from services.registry.broker.control import BrokerRefuses, Control
from services.registry.broker.store import QUERIES, Wanted, wanted
from services.registry.domain.broker import DEFAULTS, MARK, Command, Found, plan
from services.registry.identity.provisioning import BrokerAway

_log = structlog.get_logger(__name__)

EVERY_S: Final = 2.0
"""Between looks for what is due; a change is told at once, by NOTIFY."""
SWEEP_EVERY_S: Final = 60.0
_CHANGES_MAX: Final = 20
_SLICE_S: Final = 2.0
_REMOVALS_MAX: Final = 20
_ROLES_PREFIX: Final = "telecare:"
_NOT_FOUND: Final = ("Client not found", "Role not found")


@dataclass(slots=True)
class Reconciler:
    """For a loop: `run_once` returns how many users were told of. One process at a time does it."""

    pool: Pool
    clock: Clock
    url: MqttUrl
    key: bytes
    foreign: int = 0
    trouble: str | None = "has not been looked at yet"
    held_back: str | None = None  # what was found wrong with the broker's users, and not set right
    _swept_at: float = field(default=-SWEEP_EVERY_S)

    async def run_once(self) -> int:
        try:
            return await self._run_once()
        except (BrokerAway, BrokerRefuses) as error:
            if self.trouble != str(error):
                _log.warning("broker_register_not_kept", reason=str(error))
            self.trouble = str(error)
            return 0

    async def give(self, device_id: str, secret_id: UUID, password: str) -> None:
        """Tell the broker of a device's new password; a session under the old one ends. Raises BrokerAway."""
        try:
            async with borrow(self.pool) as connection, connection.transaction():
                await connection.execute(QUERIES["only_one"])
                for user in await wanted(connection, self.clock.now(), [device_id]):
                    if user.secret_id == secret_id:
                        async with Control.open(self.url) as control:
                            await self._bring(connection, control, user, await _found(control, [user]), password)
        except BrokerRefuses as error:
            raise BrokerAway(str(error)) from error

    async def _run_once(self) -> int:
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            due = [row["username"] for row in await connection.fetch(QUERIES["due"], now, _CHANGES_MAX)]
        sweep = time.monotonic() - self._swept_at >= SWEEP_EVERY_S
        if not due and not sweep and self.trouble is None:
            return 0
        async with borrow(self.pool) as connection, connection.transaction():
            if not await connection.fetchval(QUERIES["only_one_or_none"]):
                return 0
            async with Control.open(self.url) as control:
                told = await self._tell(connection, control, due)
                if sweep:
                    told += await self._sweep(connection, control)
        if self.trouble is not None:
            _log.info("broker_register_kept")
        self.trouble = None
        return told if due else 0

    async def _tell(self, connection: Connection, control: Control, names: Sequence[str]) -> int:
        """What is due, those that are shut out first."""
        users = await wanted(connection, self.clock.now(), names)
        users.sort(key=lambda user: user.standing == "enabled")
        found = await _found(control, users)
        for user in users:
            await self._bring_alone(connection, control, user, found)
        return len(users)

    async def _sweep(self, connection: Connection, control: Control) -> int:
        """Everything: the database is right, whatever somebody changed at the broker."""
        self._swept_at = (
            time.monotonic()
        )  # also if it fails: a broker that is slow to list its users is not asked again at once
        clients, roles = await control.clients(), await control.roles()
        users = {user.username: user for user in await wanted(connection, self.clock.now())}
        commands = list(_defaults(await control.defaults()))
        if commands:
            await control.tell(commands)
            _log.warning("broker_defaults_mended")
        found = {name: Found(clients.get(name), roles.get(user.user.role)) for name, user in users.items()}
        deadline = time.monotonic() + _SLICE_S
        for user in users.values():
            await self._bring_alone(connection, control, user, found)
            if time.monotonic() > deadline:
                self._swept_at = -math.inf
                return 1  # the rest next time: nobody waits for the lock for long
        removals = list(_not_ours(clients, roles, users))
        count = sum(each["command"] == "deleteClient" for each in removals)
        if count > _removals_max(len(clients)):
            self._hold_back(f"{count} of its {len(clients)} users are not in this database, and were left alone")
        else:
            self.held_back = None
            await control.tell(removals)
            if removals:
                _log.warning("broker_users_removed", commands=len(removals))
        self.foreign = sum(client.get("textname") != MARK for name, client in clients.items() if name not in users)
        return 0

    def _hold_back(self, why: str) -> None:
        """Said until a look at everything finds it otherwise: what is told in between clears it not."""
        if self.held_back is None:
            _log.error("broker_users_left_alone", reason=why)
        self.held_back = f"{why}: is it the right one, or an old backup? See docs/security.md"

    async def _bring_alone(
        self, connection: Connection, control: Control, user: Wanted, found: Mapping[str, Found]
    ) -> None:
        """One that the broker refuses keeps no other from being shut out: it is tried again with the next look at everything."""
        try:
            await self._bring(connection, control, user, found)
        except BrokerRefuses as error:
            _log.error("broker_user_refused", kind=user.kind, reason=str(error))
            await connection.execute(QUERIES["missing"], user.username, user.version, self.clock.now())

    async def _bring(
        self,
        connection: Connection,
        control: Control,
        user: Wanted,
        found: Mapping[str, Found],
        password: str | None = None,
    ) -> None:
        """One user, and the note that it is done, in this transaction. Killed between the two it is done again."""
        password = password or user.password(self.key)
        todo = plan(user.user, found[user.username], password, renew=user.renewed)
        if not (todo.commands or user.due or todo.missing != user.known_missing):
            return
        await control.tell(todo.commands)
        if user.standing == "absent":
            await connection.execute(QUERIES["forget"], user.username, user.version)
        elif todo.missing:
            await connection.execute(QUERIES["missing"], user.username, user.version, self.clock.now())
        else:
            has_it = password is not None
            await connection.execute(QUERIES["told"], user.username, user.version, user.secret_id, has_it)
        if todo.foreign:
            _log.error(
                "broker_user_is_somebody_elses", kind=user.kind, hint="a device has the name of another user: rename"
            )
        level = _log.warning if todo.missing else _log.info
        level("broker_told", kind=user.kind, standing="missing" if todo.missing else user.standing)


async def _found(control: Control, users: Sequence[Wanted]) -> dict[str, Found]:
    """What the broker knows of these."""
    found: dict[str, Found] = {}
    for user in users:
        client, role = await control.ask(
            [
                {"command": "getClient", "username": user.username},
                {"command": "getRole", "rolename": user.user.role},
            ]
        )
        found[user.username] = Found(_data(client, "client"), _data(role, "role"))
    return found


def _removals_max(clients: int) -> int:
    """Nobody can give a device its password back: more than this at once is rather our mistake than everybody's withdrawal."""
    return max(_REMOVALS_MAX, clients // 100)


def _data(answer: Mapping[str, Any], member: str) -> Mapping[str, Any] | None:
    """Raises BrokerRefuses for any error but that there is no such one."""
    if "error" not in answer:
        data: Mapping[str, Any] = answer["data"][member]
        return data
    if answer["error"] in _NOT_FOUND:
        return None
    raise BrokerRefuses(f"{answer.get('command')}: {answer['error']}")


def _defaults(found: Mapping[str, bool]) -> Iterator[Command]:
    if dict(found) != dict(DEFAULTS):
        acls = [{"acltype": name, "allow": allow} for name, allow in DEFAULTS.items()]
        yield {"command": "setDefaultACLAccess", "acls": acls}


def _not_ours(
    clients: Mapping[str, Mapping[str, Any]], roles: Mapping[str, Mapping[str, Any]], users: Mapping[str, Wanted]
) -> Iterator[Command]:
    """What bears our mark and is in no row of ours; our own processes' users bear none."""
    for name, client in clients.items():
        if name not in users and client.get("textname") == MARK:
            yield {"command": "deleteClient", "username": name}
    known = {user.user.role for user in users.values()}
    for name in roles:
        if name.startswith(_ROLES_PREFIX) and name not in known:
            yield {"command": "deleteRole", "rolename": name}
