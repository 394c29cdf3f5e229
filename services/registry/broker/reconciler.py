"""Makes the broker's register say what the database says: at the start, at each change, and all of it each minute."""

from __future__ import annotations

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
from services.registry.domain.broker import DEFAULTS, MARK, Command, Found, Plan, plan
from services.registry.identity.provisioning import BrokerAway

_log = structlog.get_logger(__name__)

EVERY_S: Final = 2.0
"""Between looks for what is due; a change is told at once, by NOTIFY."""
SWEEP_EVERY_S: Final = 60.0
_CHANGES_MAX: Final = 20
_SLICE_S: Final = 2.0
"""For so long one transaction tells the broker: nobody waits for the lock for long."""
_REMOVALS_MAX: Final = 20
_REMOVED_AT_ONCE: Final = 4
_ROLES_PREFIX: Final = "telecare:"
_NOT_FOUND: Final = ("Client not found", "Role not found")


@dataclass(slots=True)
class Reconciler:
    """For a loop: `run_once` returns how many users were told of. One process at a time tells the broker."""

    pool: Pool
    clock: Clock
    url: MqttUrl
    key: bytes
    trouble: str | None = "has not been looked at yet"
    held_back: str | None = None  # what was found wrong with the broker's users, and not set right
    _swept_at: float = field(default=-SWEEP_EVERY_S)
    _amiss: Sequence[
        str
    ] = ()  # users that the last look at everything found otherwise, and who are still to be seen to

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
            async with Control.open(self.url) as control, borrow(self.pool) as connection, connection.transaction():
                await connection.execute(QUERIES["only_one"])
                for user in await wanted(connection, self.clock.now(), [device_id]):
                    if user.secret_id == secret_id:
                        await self._bring(connection, control, user, await _found(control, user), password)
        except BrokerRefuses as error:
            raise BrokerAway(str(error)) from error

    async def _run_once(self) -> int:
        now = self.clock.now()
        async with borrow(self.pool) as connection:
            due = [row["username"] for row in await connection.fetch(QUERIES["due"], now, _CHANGES_MAX)]
        sweep = not self._amiss and time.monotonic() - self._swept_at >= SWEEP_EVERY_S
        if not (due or sweep or self._amiss) and self.trouble is None:
            return 0
        async with Control.open(self.url) as control:
            told = await self._tell(control, due)
            if told is None:
                return 0
            if sweep:
                await self._sweep(control)
            seen_to = await self._tell(control, self._amiss[:_CHANGES_MAX]) or ()
            self._amiss = [name for name in self._amiss if name not in seen_to]
        if self.trouble is not None:
            _log.info("broker_register_kept")
        self.trouble = None
        return len(told) + len(seen_to)

    async def _tell(self, control: Control, names: Sequence[str]) -> Sequence[str] | None:
        """These, those that are shut out first, for as long as a transaction may take: who was seen to. None: others are at it."""
        if not names:
            return ()
        async with borrow(self.pool) as connection, connection.transaction():
            if not await connection.fetchval(QUERIES["only_one_or_none"]):
                return None
            deadline = time.monotonic() + _SLICE_S
            users = await wanted(connection, self.clock.now(), names)
            users.sort(key=lambda user: user.standing == "enabled")
            left: set[str] = set()
            for user in users:
                if time.monotonic() > deadline:
                    left.add(user.username)
                else:
                    await self._bring_alone(connection, control, user)
        return [name for name in names if name not in left]

    async def _sweep(self, control: Control) -> None:
        """Look at everything: the database is right, whatever somebody changed at the broker.

        Listing thousands takes the broker seconds, so no transaction is open meanwhile, and what was listed is a suspicion only:
        each one that is otherwise is looked at again, alone and under the lock.
        """
        # Also if it fails: a broker that is slow to list its users is not asked again at once.
        self._swept_at = time.monotonic()
        clients, roles = await control.clients(), await control.roles()
        async with borrow(self.pool) as connection:
            users = {user.username: user for user in await wanted(connection, self.clock.now())}
        found = {name: Found(clients.get(name), roles.get(user.user.role)) for name, user in users.items()}
        self._amiss = [name for name, user in users.items() if _is_amiss(user, self._plan(user, found[name]))]
        gone = _not_ours(clients, roles, users)
        count = sum(clients.get(name, {}).get("textname") == MARK for name in gone)
        if count > _removals_max(len(clients)):
            self._hold_back(f"{count} of its {len(clients)} users are not in this database, and were left alone")
        else:
            self.held_back = None
            for at in range(0, len(gone), _REMOVED_AT_ONCE):
                await self._remove(control, gone[at : at + _REMOVED_AT_ONCE])
        if commands := list(_defaults(await control.defaults())):
            await control.tell(commands)
            _log.warning("broker_defaults_mended")

    async def _remove(self, control: Control, names: Sequence[str]) -> None:
        """Those of these that are still in no row of ours."""
        async with borrow(self.pool) as connection, connection.transaction():
            await connection.execute(QUERIES["only_one"])
            ours = {user.username for user in await wanted(connection, self.clock.now(), names)}
            for name in names:
                if name not in ours:
                    await _remove_alone(control, name)

    def _hold_back(self, why: str) -> None:
        """Said until a look at everything finds it otherwise: what is told in between clears it not."""
        if self.held_back is None:
            _log.error("broker_users_left_alone", reason=why)
        self.held_back = f"{why}: is it the right one, or an old backup? See docs/security.md"

    async def _bring_alone(self, connection: Connection, control: Control, user: Wanted) -> None:
        """One that the broker refuses keeps no other from being shut out: it is tried again with the next look at everything."""
        try:
            await self._bring(connection, control, user, await _found(control, user))
        except BrokerRefuses as error:
            _log.error("broker_user_refused", kind=user.kind, reason=str(error))
            await connection.execute(QUERIES["missing"], user.username, user.version, self.clock.now())

    def _plan(self, user: Wanted, found: Found, password: str | None = None) -> Plan:
        return plan(user.user, found, password or user.password(self.key), renew=user.renewed)

    async def _bring(
        self, connection: Connection, control: Control, user: Wanted, found: Found, password: str | None = None
    ) -> None:
        """One user, and the note that it is done, in this transaction. Killed between the two it is done again."""
        todo = self._plan(user, found, password)
        if not _is_amiss(user, todo):
            return
        await control.tell(todo.commands)
        if user.standing == "absent":
            await connection.execute(QUERIES["forget"], user.username, user.version)
        elif todo.missing:
            await connection.execute(QUERIES["missing"], user.username, user.version, self.clock.now())
        else:
            has_it = (password or user.password(self.key)) is not None
            await connection.execute(QUERIES["told"], user.username, user.version, user.secret_id, has_it)
        if todo.foreign:
            _log.error(
                "broker_user_is_somebody_elses", kind=user.kind, hint="a device has the name of another user: rename"
            )
        level = _log.warning if todo.missing else _log.info
        level("broker_told", kind=user.kind, standing="missing" if todo.missing else user.standing)


def _is_amiss(user: Wanted, todo: Plan) -> bool:
    return bool(todo.commands) or user.due or todo.missing != user.known_missing


async def _found(control: Control, user: Wanted) -> Found:
    """What the broker knows of this one. Raises BrokerRefuses."""
    client, role = await control.ask(
        [
            {"command": "getClient", "username": user.username},
            {"command": "getRole", "rolename": user.user.role},
        ]
    )
    return Found(_data(client, "client"), _data(role, "role"))


async def _remove_alone(control: Control, username: str) -> None:
    """A user that bears our mark, and its role. One that the broker refuses keeps no other: it is found again."""
    try:
        (answer,) = await control.ask([{"command": "getClient", "username": username}])
        client = _data(answer, "client")
        if client is not None and client.get("textname") == MARK:
            await control.tell([{"command": "deleteClient", "username": username}])
            _log.warning("broker_user_removed")
        (answer,) = await control.ask([{"command": "getRole", "rolename": _ROLES_PREFIX + username}])
        if _data(answer, "role") is not None:
            await control.tell([{"command": "deleteRole", "rolename": _ROLES_PREFIX + username}])
    except BrokerRefuses as error:
        _log.error("broker_user_refused", kind="none of ours", reason=str(error))


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
) -> list[str]:
    """Names of users whose client bears our mark, or whose role is ours, and who are in no row; our own processes' bear none."""
    marked = (name for name, client in clients.items() if client.get("textname") == MARK)
    roles_of = (name.removeprefix(_ROLES_PREFIX) for name in roles if name.startswith(_ROLES_PREFIX))
    return [name for name in dict.fromkeys((*marked, *roles_of)) if name not in users]
