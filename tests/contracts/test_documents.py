"""The documents that other people's tools read are current, and well-formed."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contracts import documents
from contracts.asyncapi import CHANNELS, asyncapi
from contracts.documents import PAYLOADS, json_schema
from contracts.ids import CouncilId, DeviceId, HubId
from contracts.topics import device_topic, hub_topic, provisioning_topic

DOCUMENT = asyncapi()


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def resolve(reference: str) -> Any:
    target: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def test_the_documents_in_the_repository_are_what_the_code_says() -> None:
    assert documents.stale() == []


def test_generating_twice_gives_the_same() -> None:
    assert documents.documents() == documents.documents()


def test_the_check_names_what_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "HERE", tmp_path)
    documents.write()
    assert documents.stale() == []
    edited, removed, left_over = (tmp_path / "schemas" / f"{name}.json" for name in ("heartbeat", "alarm", "letter"))
    edited.write_text("{}")
    removed.unlink()
    left_over.write_text("{}")
    assert documents.stale() == sorted([edited, removed, left_over])
    documents.write()
    assert documents.stale() == []


def test_the_check_of_a_current_tree_exits_with_0() -> None:
    command = [sys.executable, "-m", "contracts.documents", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=documents.HERE.parent)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_of_a_stale_tree_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(documents, "HERE", tmp_path)
    documents.write()
    (tmp_path / "asyncapi.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["documents", "--check"])
    assert documents.main() == 1
    assert "asyncapi.json is stale" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_each_schema_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(json_schema(PAYLOADS[name]))


def test_asyncapi_has_what_version_3_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["messages"]
        assert operation["bindings"]["mqtt"]["qos"] == 1


def test_every_reference_in_asyncapi_resolves() -> None:
    references = [node["$ref"] for node in nodes(DOCUMENT) if isinstance(node, dict) and "$ref" in node]
    assert references
    for reference in references:
        assert resolve(reference) is not None, reference


def test_an_operation_speaks_only_messages_of_its_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_every_variable_of_an_address_is_described() -> None:
    for channel in DOCUMENT["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys()


def test_the_addresses_are_those_the_code_publishes_on() -> None:
    council, device, hub = CouncilId("{council_id}"), DeviceId("{device_id}"), HubId("{hub_id}")
    built = {
        *(device_topic(council, device, lane) for lane in ("heartbeat", "alarm", "status", "receipt", "command")),
        *(provisioning_topic("{serial}", lane) for lane in ("request", "response")),
        *(hub_topic(hub, lane) for lane in ("notifications", "actions", "action-results")),
    }
    assert {channel.address for channel in CHANNELS} == built


def test_only_the_status_is_retained() -> None:
    retained = {
        operation["channel"]["$ref"]
        for operation in DOCUMENT["operations"].values()
        if operation["bindings"]["mqtt"]["retain"]
    }
    assert retained == {"#/channels/deviceStatus"}
