"""`python -m contracts.documents [--check]`: the contract for machines, JSON Schemas and AsyncAPI, from the code.

Without `--check` the files are written; with it, exit code 1 and the names of those that aren't what the code says.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from contracts.action import ActionResult, HubAction
from contracts.alarm import AlarmDetail
from contracts.alarm_event import AlarmEvent
from contracts.asyncapi import asyncapi
from contracts.device import Alarm, Command, DeviceStatus, Heartbeat, Receipt
from contracts.notification import Notification, OutageNotification, Probe
from contracts.policy import Policy
from contracts.provisioning import ProvisioningRequest, ProvisioningResponse
from contracts.verification import Verification

HERE: Final = Path(__file__).parent
PAYLOADS: Final[dict[str, Any]] = {
    "heartbeat": Heartbeat,
    "alarm": Alarm,
    "status": DeviceStatus,
    "receipt": Receipt,
    "command": Command,
    "notification": Notification,
    "outage-notification": OutageNotification,
    "probe": Probe,
    "policy": Policy,
    "verification": Verification,
    "action": HubAction,
    "action-result": ActionResult,
    "provisioning-request": ProvisioningRequest,
    "provisioning-response": ProvisioningResponse,
    "alarm-detail": AlarmDetail,
    "alarm-event": AlarmEvent,
}


def json_schema(payload: Any) -> dict[str, Any]:
    """The JSON Schema of one payload."""
    schema = TypeAdapter(payload).json_schema()
    schema.pop("discriminator", None)  # OpenAPI's word, unknown to JSON Schema
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def documents() -> dict[Path, str]:
    """Every generated file and what it says; the same each time."""
    texts = {HERE / "schemas" / f"{name}.json": json_schema(payload) for name, payload in PAYLOADS.items()}
    texts[HERE / "asyncapi.json"] = asyncapi()
    return {path: json.dumps(text, indent=2, sort_keys=True) + "\n" for path, text in texts.items()}


def stale() -> list[Path]:
    """The files that are missing, differ from what the code says, or are left over."""
    wanted = documents()
    differing = {
        path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    }
    return sorted(differing | (set((HERE / "schemas").glob("*.json")) - wanted.keys()))


def write() -> None:
    """Make the files say what the code says."""
    wanted = documents()
    for path in stale():
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m contracts.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 naming stale files")
    if not parser.parse_args().check:
        write()
        return 0
    for path in (found := stale()):
        sys.stderr.write(f"{path.relative_to(HERE.parent)} is stale: run `make documents`\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
