"""Payloads as broken firmware makes them. Each form is one that ingest must survive, and of an alarm lose none."""

import json
import math
import random
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

Garbling: TypeAlias = Literal["broken_json", "wrong_types", "not_finite", "nul", "too_long", "empty", "binary"]
GARBLINGS: Final[tuple[Garbling, ...]] = get_args(Garbling)

_TEXT_TOO_LONG: Final = 3_000  # above every limit of the contract, below the 4 KiB that a device may send
_BINARY_BYTES: Final = 48


_CHANGES: Final[Mapping[Garbling, Mapping[str, Any]]] = {
    "wrong_types": {"kind": ["fall"], "sent_at": 1_700_000_000, "battery_pct": "full", "test": "yes", "seq": "7"},
    "not_finite": {"temperature_c": math.nan, "battery_pct": math.inf, "seq": math.nan},
    "nul": {"text": "\0", "firmware": "1.0\0", "peripheral_id": "p\0", "cell_id": "\0"},
    "too_long": {"text": "x" * _TEXT_TOO_LONG, "firmware": "9" * 65, "cell_id": "c" * 33},
}


def garble(payload: bytes, form: Garbling, rng: random.Random) -> bytes:
    """`payload`, a JSON object, spoiled in this way."""
    match form:
        case "broken_json":
            return payload[: rng.randrange(1, len(payload))]
        case "empty":
            return b""
        case "binary":
            return b"\xff" + rng.randbytes(_BINARY_BYTES)  # 0xFF occurs in no UTF-8
        case _:
            return json.dumps({**json.loads(payload), **_CHANGES[form]}, separators=(",", ":")).encode()
