import json
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.device import Alarm
from contracts.ids import BootId
from services.simulator.malformed import GARBLINGS, Garbling, garble
from services.simulator.messages import alarm_payload
from services.simulator.occurrence import Occurrence

SENT_AT = datetime(2026, 11, 21, tzinfo=UTC)
PAYLOAD = alarm_payload(Occurrence(kind="fall", location="kitchen", text="fell"), BootId("b1"), 7, SENT_AT)


@pytest.mark.parametrize("form", GARBLINGS)
@given(seed=st.integers(0, 1000))
def test_no_garbled_alarm_is_one_that_the_contract_takes_as_it_is(form: Garbling, seed: int) -> None:
    spoiled = garble(PAYLOAD, form, random.Random(seed))
    assert len(spoiled) <= 4096
    with pytest.raises(ValueError, match=r".+"):
        Alarm.model_validate_json(spoiled)


def test_a_text_that_is_too_long_leaves_the_identity_readable() -> None:
    spoiled = json.loads(garble(PAYLOAD, "too_long", random.Random(1)))
    assert (spoiled["boot_id"], spoiled["seq"]) == ("b1", 7)
    assert len(spoiled["text"]) > 128
