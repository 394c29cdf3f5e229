"""dynamic-security.json from the database: the broker's whole register, for the first start and for the day its file is lost.

Everybody keeps the password that they have: devices' hashes are in Mosquitto's own format, the others follow from the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.chassis.mqtt import MqttUrl
from services.chassis.postgres import Connection
from services.registry.broker.hashes import PasswordHash
from services.registry.broker.store import Wanted, wanted
from services.registry.domain.broker import DEFAULTS, MARK, Acl, admin_acls, service_acls

ADMIN_ROLE = "telecare-admin"
SERVICE_ROLE = "telecare-service"


class NoUser(ValueError):
    """A URL names no user and password for the broker; the message says which."""


def first_document(admin: MqttUrl, service: MqttUrl) -> str:
    """Who keeps the register, and our own services. Raises NoUser."""
    return _document(admin, service, [], b"")


async def whole_document(connection: Connection, admin: MqttUrl, service: MqttUrl, key: bytes, now: datetime) -> str:
    """These and everybody else. Raises NoUser."""
    return _document(admin, service, await wanted(connection, now), key)


def _document(admin: MqttUrl, service: MqttUrl, users: Iterable[Wanted], key: bytes) -> str:
    if admin.username == service.username:
        raise NoUser("TELECARE_MQTT_URL and TELECARE_MQTT_ADMIN_URL name one user: the services shall not be the admin")
    there = [each for each in users if each.standing != "absent"]
    document = {
        "defaultACLAccess": dict(DEFAULTS),
        "clients": [
            _own(admin, "TELECARE_MQTT_ADMIN_URL", ADMIN_ROLE),
            _own(service, "TELECARE_MQTT_URL", SERVICE_ROLE),
            *(_client(each, key) for each in there),
        ],
        "groups": [],
        "roles": [
            _role(ADMIN_ROLE, admin_acls()),
            _role(SERVICE_ROLE, service_acls()),
            *(_role(each.user.role, each.user.acls) for each in there),
        ],
    }
    return json.dumps(document, indent="\t") + "\n"


def _own(url: MqttUrl, variable: str, role: str) -> dict[str, Any]:
    if not url.username or not url.password:
        raise NoUser(f"{variable} names no user and password: write it like mqtt://user:password@host:1883")
    return {"username": url.username, "roles": [{"rolename": role}], **PasswordHash.of(url.password).to_json()}


def _client(each: Wanted, key: bytes) -> dict[str, Any]:
    user, password = each.user, each.password(key)
    hashed = each.hashed or PasswordHash.of(password or "")
    bound = {"clientid": user.client_id} if user.client_id else {}
    shut_out = {"disabled": True} if user.standing == "disabled" else {}
    roles = [{"rolename": user.role}]
    return {"username": user.username, "textname": MARK, "roles": roles, **bound, **shut_out, **hashed.to_json()}


def _role(name: str, acls: Iterable[Acl]) -> dict[str, Any]:
    return {"rolename": name, "acls": [acl.to_json() for acl in sorted(acls)]}
