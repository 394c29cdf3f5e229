"""Our words for people: what devices of an outage have in common, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.notification import OutageData

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "sim_operator": "Mobile operator",
    "cell_id": "Mobile cell",
    "network": "Network",
    "council_id": "Council",
    "postcode_district": "Postcode district",
    "firmware": "Firmware",
    "model": "Model",
}
_AFFECTED: Final[Mapping[str, tuple[str, str]]] = {
    "silent": ("home silent", "homes silent"),
    "mains_lost": ("home without mains", "homes without mains"),
}


def shared(outage: OutageData, councils: Mapping[str, str]) -> str:
    """`Mobile operator 23410`; a council by its name."""
    return named(outage.attribute, outage.value, councils)


def named(attribute: str, value: str, councils: Mapping[str, str]) -> str:
    """The same, of an attribute and its value."""
    return f"{_ATTRIBUTES[attribute]} {councils.get(value, value) if attribute == 'council_id' else value}"


def affected(outage: OutageData, homes: int) -> str:
    """`512 homes silent`."""
    return affected_homes(outage.condition, homes)


def affected_homes(condition: str, homes: int) -> str:
    """The same, of a condition."""
    one, many = _AFFECTED[condition]
    return f"{homes:,} {one if homes == 1 else many}"


def exposed(outage: OutageData) -> str:
    """What a member that is affected still is."""
    return "Silent" if outage.condition == "silent" else "Without mains"
