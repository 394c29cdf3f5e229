"""Names of things. A `NewType` says which id a string is; the patterns say which strings may be one."""

import re
from typing import Final, NewType

CouncilId = NewType("CouncilId", str)
DeviceId = NewType("DeviceId", str)
HubId = NewType("HubId", str)
BootId = NewType("BootId", str)
EventId = NewType("EventId", str)
AlarmId = NewType("AlarmId", str)
NotificationId = NewType("NotificationId", str)

CANARY: Final = "canary"
"""The council and the hub that are nobody's: see `services/canary`. The database holds them apart from all others."""

SLUG_LENGTH_MAX: Final = 64

# One spelling for Python, for Rust's regex under pydantic and for JSON Schema. In Python use `fullmatch`: `$` there
# also matches before a final newline.
SLUG_PATTERN: Final = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
DEVICE_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
BOOT_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,36}$"

SEQ_MAX: Final = 2**63 - 1
"""The largest `seq` of the contract, and the largest PostgreSQL bigint."""

_slug = re.compile(SLUG_PATTERN[1:-1]).fullmatch
_device_id = re.compile(DEVICE_ID_PATTERN[1:-1]).fullmatch
_boot_id = re.compile(BOOT_ID_PATTERN[1:-1]).fullmatch


def is_slug(text: str) -> bool:
    """Whether `text` may be a `council_id` or a `hub_id`: `glasgow-city`, at most 64 characters."""
    return len(text) <= SLUG_LENGTH_MAX and _slug(text) is not None


def is_device_id(text: str) -> bool:
    """Whether `text` may be a `device_id`."""
    return _device_id(text) is not None


def is_boot_id(text: str) -> bool:
    """Whether `text` may be a `boot_id`."""
    return _boot_id(text) is not None
