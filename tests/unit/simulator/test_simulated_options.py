"""What `telecare simulate` is asked for must be there."""

import pytest

from services.simulator.simulate import SimulateOptions


@pytest.mark.parametrize(("option", "value"), [("power_cut", "ZZ99"), ("operator_outage", "99999")])
def test_an_outage_that_would_cut_nothing_is_refused_and_what_there_is_named(option: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"no box .* (AB10|23410)"):
        SimulateOptions(mqtt_url="mqtt://127.0.0.1:1883", **{option: value})  # type: ignore[arg-type]
