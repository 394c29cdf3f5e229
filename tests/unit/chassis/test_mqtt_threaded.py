"""A client of paho's is hung up whatever its thread does at that moment."""

import threading

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from services.chassis.mqtt.threaded import hang_up


def test_a_thread_that_ends_just_as_it_is_to_be_waited_for_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    seen = iter(
        [threading.Thread(), threading.Thread(), None]
    )  # as paho looks at it, and then asks it to be waited for
    monkeypatch.setattr(Client, "_thread", property(lambda _: next(seen)), raising=False)
    hang_up(client)
    assert list(seen) == []
