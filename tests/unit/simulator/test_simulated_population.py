import re

import pytest

from contracts.ids import is_device_id, is_slug
from services.simulator.population import OPERATORS, Population

DISTRICT = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]?")  # as the register demands it


def test_a_device_is_the_same_every_time_and_unlike_its_neighbours() -> None:
    population = Population(500)
    assert population[122] == Population(500)[122]
    assert population[122].device_id == "TC-000123"
    assert len({device.serial for device in population}) == 500


def test_every_device_could_be_registered() -> None:
    for device in Population(500):
        assert is_device_id(device.device_id)
        assert is_slug(device.council_id)
        assert DISTRICT.fullmatch(device.postcode_district)
        assert device.sim_operator in OPERATORS


def test_an_outage_of_a_district_or_an_operator_hits_some_and_spares_others() -> None:
    population = Population(50)
    in_g31 = [device for device in population if device.postcode_district == "G31"]
    assert 0 < len(in_g31) < 25
    assert {device.sim_operator for device in population} == set(OPERATORS)


def test_a_part_of_a_population_is_the_same_devices() -> None:
    population = Population(1_000_000)
    assert list(population[10:13]) == [population[10], population[11], population[12]]
    assert len(population[500:]) == 999_500
    with pytest.raises(ValueError, match="neighbours"):
        population[::2]
