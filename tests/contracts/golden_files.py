"""Golden payloads: what was sent, and exactly what it decodes to. A change of one of these files is a change of the contract.

`payload` is sent as compact JSON, `payload_text` as UTF-8, `payload_hex` as bytes. `conforms` says whether the JSON
Schema holds; device payloads also have a `topic`, a `received_at` and what they are `decoded` to.
"""

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from services.ingest.domain.decode import DecodedAlarm, decode_alarm, decode_heartbeat, decode_status

GOLDEN: Final = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "golden").glob("*.json")}
DECODERS: Final = {"heartbeat": decode_heartbeat, "alarm": decode_alarm, "status": decode_status}


def raw(golden: dict[str, Any]) -> bytes:
    if "payload_hex" in golden:
        return bytes.fromhex(golden["payload_hex"])
    text = golden["payload_text"] if "payload_text" in golden else json.dumps(golden["payload"], separators=(",", ":"))
    return text.encode()


def decoded(golden: dict[str, Any]) -> dict[str, Any]:
    """What a device's payload decodes to, as JSON has it, under the name of its type."""
    decode = DECODERS[golden["schema"]]
    value = decode(golden["topic"], raw(golden), datetime.fromisoformat(golden["received_at"]))
    fields = value._asdict()
    if isinstance(value, DecodedAlarm):
        fields["event"] = dataclasses.asdict(value.event)
    as_json: dict[str, Any] = json.loads(json.dumps({type(value).__name__: fields}, default=_as_text))
    return as_json


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    assert isinstance(value, datetime), value
    return value.isoformat()
