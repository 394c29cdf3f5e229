"""What becomes of each row of a file: a new device, the same as is registered, a change, or a fault that says why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.registry.domain.device import Device, differing
from services.registry.domain.lifecycle import Stage
from services.registry.domain.own_names import REFUSAL, OwnNames
from services.registry.domain.proof import BeginsAnew, NotChanged, fate_of_proof
from services.registry.domain.sheet import ATTRIBUTES, Fault

_LINES_TOLD_MAX: Final = 5
_BEGINNINGS: Final[frozenset[Stage]] = frozenset({"ordered", "registered"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that is right in itself. `said`: its cells that are not empty; an empty one says nothing, and clears nothing."""

    line: int
    row: int
    said: Mapping[str, str]
    stage: Stage

    @property
    def device_id(self) -> str:
        return self.said["device_id"]


@dataclass(frozen=True, slots=True)
class Known:
    """What the register holds of all that a file speaks of. `reach`: the councils of the caller, None all."""

    councils: frozenset[str]
    reach: frozenset[str] | None
    devices: Mapping[str, Device]
    serials: Mapping[str, str]
    sims: Mapping[str, str]
    own_names: OwnNames
    update: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A device that is registered, and as the row wants it in these fields; `arrived`: it was ordered only."""

    device: Device
    fields: Mapping[str, str]
    arrived: bool

    @property
    def begins_anew(self) -> bool:
        """It is being tried, and is another unit or another model now."""
        return isinstance(fate_of_proof(self.device, self.fields, None), BeginsAnew)

    def becomes(self) -> Device:
        """The device as it will be."""
        changes: dict[str, Any] = dict(self.fields) | ({"stage": "registered"} if self.arrived else {})
        return replace(self.device, **changes)


@dataclass(slots=True)
class Intake:
    """What becomes of a file. `refused` counts rows; one row may have several faults."""

    new: list[Candidate] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    unchanged: int = 0
    refused: int = 0
    faults: list[Fault] = field(default_factory=list)


def take_in(candidates: Sequence[Candidate], known: Known, positions: Mapping[str, int]) -> Intake:
    """Judge every row, by itself and beside the others of its file."""
    intake = Intake()
    repeated, clashing = _within_file(candidates)
    for candidate in candidates:
        if candidate.line in repeated:
            intake.unchanged += 1
            continue
        wrong = [*clashing.get(candidate.line, ()), *_against_register(candidate, known)]
        if wrong:
            intake.refused += 1
            intake.faults += [
                Fault(candidate.line, candidate.row, column, message, positions.get(column, 0))
                for column, message in wrong
            ]
            continue
        _sort(candidate, known, intake)
    return intake


def _sort(candidate: Candidate, known: Known, intake: Intake) -> None:
    device = known.devices.get(candidate.device_id)
    if device is None:
        intake.new.append(candidate)
        return
    fields = {name: candidate.said[name] for name in differing(device, candidate.said)}
    arrived = device.stage == "ordered" and candidate.stage == "registered"
    if fields or arrived:
        intake.changed.append(Changed(device, fields, arrived))
    else:
        intake.unchanged += 1


Wrong = tuple[str, str]
"""A column, and what is wrong in it."""


def _within_file(candidates: Sequence[Candidate]) -> tuple[set[int], dict[int, list[Wrong]]]:
    """Lines that say once more what another line says; and those that contradict each other, of which none can be believed."""
    repeated: set[int] = set()
    first: dict[tuple[Any, ...], int] = {}
    for each in candidates:
        key = (each.stage, *(each.said.get(name) for name in ATTRIBUTES))
        if first.setdefault(key, each.line) != each.line:
            repeated.add(each.line)
    clashing = defaultdict[int, list[Wrong]](list)
    distinct = [each for each in candidates if each.line not in repeated]
    for column in ("device_id", "serial", "iccid"):
        lines = defaultdict[str, list[int]](list)
        for each in distinct:
            if column in each.said:
                lines[each.said[column]].append(each.line)
        for found in lines.values():
            for line in found if len(found) > 1 else ():
                clashing[line].append((column, _elsewhere(line, found)))
    return repeated, clashing


def _elsewhere(line: int, lines: Sequence[int]) -> str:
    others = [str(each) for each in lines if each != line]
    more = f" and {len(others) - _LINES_TOLD_MAX} more" if len(others) > _LINES_TOLD_MAX else ""
    return f"stands in line {', '.join(others[:_LINES_TOLD_MAX])}{more} too, in a row that is not the same"


def _against_register(candidate: Candidate, known: Known) -> Iterator[Wrong]:
    council_id = candidate.said["council_id"]
    device = known.devices.get(candidate.device_id)
    if council_id not in known.councils:
        yield "council_id", "no such council; `telecare council list` names them"
    elif not _reached(council_id, known):
        yield "council_id", "this token does not reach the devices of that council"
    elif device is not None and not _reached(device.council_id, known):
        yield "device_id", "is registered in a council whose devices this token does not reach"
    else:
        yield from _taken(candidate, known)
        yield from _new(candidate, known) if device is None else _existing(candidate, device, known)


def _reached(council_id: str, known: Known) -> bool:
    return known.reach is None or council_id in known.reach


def _taken(candidate: Candidate, known: Known) -> Iterator[Wrong]:
    if known.serials.get(candidate.said["serial"], candidate.device_id) != candidate.device_id:
        yield "serial", "another device has this serial"
    if "iccid" in candidate.said and (
        known.sims.get(candidate.said["iccid"], candidate.device_id) != candidate.device_id
    ):
        yield "iccid", "another device has this SIM"


def _new(candidate: Candidate, known: Known) -> Iterator[Wrong]:
    if candidate.device_id in known.own_names:
        yield "device_id", REFUSAL
    if candidate.stage not in _BEGINNINGS:
        yield "stage", "a file makes no device live: import it as ordered or registered, and move it from there"


def _existing(candidate: Candidate, device: Device, known: Known) -> Iterator[Wrong]:
    if candidate.stage not in {*_BEGINNINGS, device.stage}:
        yield "stage", f"the device is {device.stage}; a file moves no device to another stage"
    if not known.update:
        for name in differing(device, candidate.said):
            yield name, "differs from what is registered; to change it, import with update"
        return
    fate = fate_of_proof(device, candidate.said, None)
    if isinstance(fate, NotChanged):
        yield fate.field, fate.detail
