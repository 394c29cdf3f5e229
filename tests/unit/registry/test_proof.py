"""What was proved of a device was proved of one unit of one model."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.access import Role
from services.registry.domain.device import Device
from services.registry.domain.lifecycle import STAGES, Stage
from services.registry.domain.proof import BeginsAnew, Fate, NotChanged, OnWord, Stands, fate_of_proof

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
WATCHED = ("live", "suspended")


def device(stage: Stage, *, on_word: bool = False) -> Device:
    unsaid: dict[str, Any] = dict.fromkeys(Device.__slots__)
    named = {"device_id": "TC-1", "council_id": "fife", "serial": "SN-1", "model": "hearth-4g"}
    return Device(**unsaid | named | {"stage": stage, "overridden_at": AT if on_word else None})


@pytest.mark.parametrize("stage", STAGES)
def test_another_unit_is_never_under_the_proof_of_the_one_before(stage: Stage) -> None:
    roles: tuple[Role | None, ...] = (None, "ops", "engineer")
    for role in roles:
        for on_word in (False, True):
            fate = fate_of_proof(device(stage, on_word=on_word), {"serial": "SN-2", "model": "hearth-4g"}, role)
            if stage in WATCHED:
                assert isinstance(fate, NotChanged)
                assert (fate.field, stage in fate.detail, "Replace" in fate.detail) == ("serial", True, True)
            else:
                assert fate == (BeginsAnew() if stage == "commissioning" else Stands())


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("role", "proved"), [("ops", OnWord()), ("engineer", NotChanged("model", "")), (None, NotChanged("model", ""))]
)
def test_another_model_is_never_under_the_proof_of_the_one_before(
    stage: Stage, role: Role | None, proved: Fate
) -> None:
    fate = fate_of_proof(device(stage), {"model": "easy-1"}, role)
    if stage in WATCHED:
        assert type(fate) is type(proved)
        assert fate_of_proof(device(stage, on_word=True), {"model": "easy-1"}, role) == BeginsAnew()
    else:
        assert fate == (BeginsAnew() if stage == "commissioning" else Stands())


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_the_same_or_was_not_proved_is_changed_by_anybody(stage: Stage) -> None:
    wanted = {"serial": "SN-1", "model": "Hearth-4G", "notes": "green case", "council_id": "moray"}
    assert fate_of_proof(device(stage), wanted, "engineer") == Stands()
