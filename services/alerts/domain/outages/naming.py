"""What an outage may be named by: its name goes to hubs, to a page and to a log, and boxes tell it.

Anything else is no trait at all, as if the device had not told it: it is counted nowhere, so nothing is ever named by it, and the
device is a member by what else it has.
"""

from collections.abc import Mapping
from typing import Final

from services.alerts.domain.outages.census import Attribute, Trait

LENGTH_MAX: Final = 64
"""Of any name; `firmware` and `model` have it from the contract."""
LENGTHS: Final[Mapping[Attribute, int]] = {"cell_id": 32}
"""Of those that the contract has shorter."""


def is_name(trait: Trait) -> bool:
    """Whether people can be told it: not longer than the contract lets it be, and readable."""
    return is_readable(trait.value, LENGTHS.get(trait.attribute, LENGTH_MAX))


def is_readable(value: str, length_max: int = LENGTH_MAX) -> bool:
    """Not blank, no longer than that, and printable as it stands: one rule for whatever boxes tell and people are told by.

    Not so are control characters, line ends, and those that turn the direction of what follows (Unicode categories C and Z, but
    for the space).
    """
    return len(value) <= length_max and value.isprintable() and not value.isspace() and value != ""
