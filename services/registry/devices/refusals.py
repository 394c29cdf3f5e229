"""How the routes of devices refuse: each answer of the register that is no success, as a problem document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

from contracts.access import Principal
from services.chassis.http import Problem, invalid
from services.registry.devices.store import DeviceStore
from services.registry.devices.values import OwnName, Taken, UnknownCouncil
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import Refused
from services.registry.domain.own_names import REFUSAL
from services.registry.domain.proof import NotChanged

T = TypeVar("T")

_TAKEN = {
    "serial": "another device has this serial",
    "iccid": "another device has this SIM; it is free when that one is withdrawn, or has another",
    "device_id": "this device was put in another's place at this moment; look again",
}


async def scope(devices: DeviceStore, who: Principal) -> frozenset[str] | None:
    """The councils whose devices this caller may see; None is every council."""
    if who.hub_id is not None:
        return await devices.councils_of_hub(who.hub_id)
    return None if who.councils is None else frozenset(who.councils)


async def visible(devices: DeviceStore, device_id: str, who: Principal) -> Device:
    """The device, if the caller may see it: else 404 or 403."""
    device = existing(await devices.get(device_id), device_id)
    refuse_outside(await scope(devices, who), device.council_id)
    return device


def refuse_outside(councils: frozenset[str] | None, council_id: str | None) -> None:
    """403 for a council that the caller does not reach."""
    if councils is not None and council_id is not None and council_id not in councils:
        raise Problem(HTTPStatus.FORBIDDEN, "This token does not reach the devices of that council.")


def existing(device: Device | None, device_id: str) -> Device:
    if device is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no device {device_id}.")
    return device


def accepted(answer: T | Taken | UnknownCouncil | OwnName) -> T:
    if isinstance(answer, Taken):
        raise taken(answer.field)
    if isinstance(answer, UnknownCouncil):
        raise invalid(("council_id", "no such council; GET /api/v1/councils lists them"))
    if isinstance(answer, OwnName):
        raise own_name()
    return answer


def own_name() -> Problem:
    """422: ingest would be shut out with such a device, and no alarm of anybody heard."""
    return invalid(("device_id", REFUSAL))


def taken(field: str) -> Problem:
    """409: another device has what only one can have."""
    return conflict(_TAKEN[field], [field])


def conflict(detail: str, fields: list[str]) -> Problem:
    errors = [{"field": field, "message": "differs from what is registered"} for field in fields]
    return Problem(HTTPStatus.CONFLICT, f"{detail}: {', '.join(fields)}", errors=errors)


def not_changed(answer: NotChanged) -> Problem:
    """409: it would be live without a proof."""
    errors = [{"field": answer.field, "message": "is what was proved"}]
    return Problem(HTTPStatus.CONFLICT, answer.detail, reason="was_proved", errors=errors)


def refused(answer: Refused) -> Problem:
    """409 with what is possible, and the checks that are missing; 422 when only a reason is."""
    if answer.reason == "reason_missing":
        return invalid(("reason", answer.detail))
    members: dict[str, Any] = {"missing": list(answer.missing)} if answer.reason == "checks_missing" else {}
    return Problem(HTTPStatus.CONFLICT, answer.detail, reason=answer.reason, legal_moves=list(answer.legal), **members)
