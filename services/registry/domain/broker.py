"""What each user may do at the broker, and which commands bring the broker there. Pure.

The words are those of Mosquitto's dynamic security: a client (we say user) has roles, a role has access-control entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from contracts.topics import ROOT

Kind: TypeAlias = Literal["device", "claim", "enrolment", "hub"]
Standing: TypeAlias = Literal["enabled", "disabled", "absent"]
AclType: TypeAlias = Literal["publishClientSend", "publishClientReceive", "subscribePattern"]
Command: TypeAlias = dict[str, Any]

MARK: Final = "telecare"
"""The text name of every user that we made: of others we keep our hands off."""

DEFAULTS: Final[Mapping[str, bool]] = MappingProxyType(
    {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True}
)
"""What is not allowed is refused."""


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """Allows one thing on one pattern of topics."""

    acltype: AclType
    topic: str

    def to_json(self) -> Command:
        return {"acltype": self.acltype, "topic": self.topic, "priority": 0, "allow": True}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom the broker shall know, or shall not know any more."""

    username: str
    client_id: str | None  # bound to it: with another it is not let in, and so evicts nobody
    acls: frozenset[Acl]
    standing: Standing

    @property
    def role(self) -> str:
        """A role of its own: Mosquitto 2.0 knows no %u in the entries of a role."""
        return f"telecare:{self.username}"


@dataclass(frozen=True, slots=True)
class Found:
    """What the broker knows of a user: its client and its role, as it lists them; None where it has none."""

    client: Mapping[str, Any] | None = None
    role: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands, in their order. `missing`: the broker lost the user, and we have no password to give it.

    `foreign`: a user of this name is somebody else's. It may be the one under which ingest hears every alarm, so nothing is told.
    """

    commands: tuple[Command, ...] = ()
    missing: bool = False
    foreign: bool = False


def user_of(kind: Kind, subject: str, standing: Standing) -> User:
    """The user of that kind for this device, serial, council or hub."""
    username = subject if kind == "device" else f"{kind}:{subject}"
    bound = (
        None if kind == "enrolment" else username
    )  # the gate alone speaks for enrolled units, under names that it chooses
    return User(username, bound, frozenset(_acls(kind, subject)), standing)


def _acls(kind: Kind, subject: str) -> Iterator[Acl]:
    match kind:
        case "device":  # in any council: its id is unique in the country, and a change of council silences nobody
            yield from _ways(f"{ROOT}/devices/+/{subject}", ("heartbeat", "alarm", "status"), ("receipt", "command"))
        case "claim":
            yield from _ways(f"{ROOT}/provisioning/{subject}", ("request",), ("response",))
        case "enrolment":
            # Anybody's receipts below the council: the gate, by which alone they come, lets each ask for its own.
            yield from _ways(f"{ROOT}/devices/{subject}/+", ("heartbeat", "alarm", "status"), ("receipt",))
        case "hub":
            yield from _ways(f"{ROOT}/hubs/{subject}", ("actions",), ("notifications", "action-results"))


def _ways(prefix: str, up: Sequence[str], down: Sequence[str]) -> Iterator[Acl]:
    for lane in up:
        yield Acl("publishClientSend", f"{prefix}/{lane}")
    for lane in down:
        yield Acl("subscribePattern", f"{prefix}/{lane}")
        yield Acl("publishClientReceive", f"{prefix}/{lane}")


def service_acls() -> frozenset[Acl]:
    """What our own processes, and `telecare doctor`, do at the broker."""
    hears = (
        "devices/+/+/heartbeat",
        "devices/+/+/alarm",
        "devices/+/+/status",
        "hubs/+/actions",
        "provisioning/+/request",
    )
    says = (
        "devices/+/+/receipt",
        "devices/+/+/command",
        "hubs/+/notifications",
        "hubs/+/action-results",
        "provisioning/+/response",
    )
    acls = [Acl(kind, f"{ROOT}/{topic}") for topic in hears for kind in ("subscribePattern", "publishClientReceive")]
    acls += [Acl("publishClientSend", f"{ROOT}/{topic}") for topic in says]
    acls += [
        Acl(kind, topic)
        for kind in ("subscribePattern", "publishClientReceive", "publishClientSend")
        for topic in ("telecare-doctor/#", f"{ROOT}/canary/#")
    ]
    return frozenset([*acls, Acl("subscribePattern", "$SYS/#"), Acl("publishClientReceive", "$SYS/#")])


def admin_acls() -> frozenset[Acl]:
    """Who keeps the register, and hears no device."""
    control = "$CONTROL/dynamic-security/#"
    return frozenset(Acl(kind, control) for kind in ("publishClientSend", "publishClientReceive", "subscribePattern"))


def plan(user: User, found: Found, password: str | None, *, renew: bool) -> Plan:
    """How the broker gets from what it knows to what it shall know.

    `password` where we have it; `renew`: it has another one since the broker was told last. A user that is as it shall be gets no
    command: each of them rewrites the broker's file, and some end the user's session.
    """
    if found.client is not None and found.client.get("textname") != MARK:
        return Plan((), missing=user.standing == "enabled", foreign=True)
    if user.standing == "absent":
        return Plan(tuple(_removal(user, found)))
    if found.client is None and password is None:
        return Plan((), missing=user.standing == "enabled")
    return Plan(
        (
            *_role_commands(user, found.role),
            *_client_commands(user, found.client, password if renew else None, password),
        )
    )


def _removal(user: User, found: Found) -> Iterator[Command]:
    if found.client is not None:
        yield {"command": "deleteClient", "username": user.username}
    if found.role is not None:
        yield {"command": "deleteRole", "rolename": user.role}


def _role_commands(user: User, role: Mapping[str, Any] | None) -> Iterator[Command]:
    acls = [acl.to_json() for acl in sorted(user.acls)]
    if role is None:
        yield {"command": "createRole", "rolename": user.role, "acls": acls}
    elif _acls_found(role) != user.acls or not _all_allow(role):
        yield {"command": "modifyRole", "rolename": user.role, "acls": acls}


def _client_commands(
    user: User, client: Mapping[str, Any] | None, renewed: str | None, password: str | None
) -> Iterator[Command]:
    name = {"username": user.username}
    if client is None:
        bound = {"clientid": user.client_id} if user.client_id else {}
        yield {
            "command": "createClient",
            **name,
            **bound,
            "password": password,
            "textname": MARK,
            "roles": [{"rolename": user.role}],
        }
        if user.standing == "disabled":
            yield {"command": "disableClient", **name}
        return
    if user.standing == "disabled" and not client.get("disabled", False):
        yield {"command": "disableClient", **name}  # first of all: it ends the session
    if client.get("clientid") != user.client_id:
        yield {"command": "setClientId", **name, "clientid": user.client_id or ""}
    if [role["rolename"] for role in client.get("roles", ())] != [user.role]:
        yield {"command": "modifyClient", **name, "roles": [{"rolename": user.role}]}
    for group in client.get("groups", ()):
        yield {"command": "removeGroupClient", **name, "groupname": group["groupname"]}
    if renewed is not None:
        yield {"command": "setClientPassword", **name, "password": renewed}
    if user.standing == "enabled" and client.get("disabled", False):
        yield {"command": "enableClient", **name}


def _acls_found(role: Mapping[str, Any]) -> frozenset[Acl]:
    return frozenset(Acl(acl["acltype"], acl["topic"]) for acl in role.get("acls", ()))


def _all_allow(role: Mapping[str, Any]) -> bool:
    return all(acl.get("allow") for acl in role.get("acls", ()))
