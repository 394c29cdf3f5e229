"""What `telecare doctor` says of a secured broker."""

import pytest

from services.cli.doctor import register
from services.cli.doctor.register import examine_register
from tests.integration.registry.broker.secured import Secured
from tests.integration.registry.identity.town import settings_for

pytestmark = pytest.mark.real_stack


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker logs is waited for, though the machine stands still for some seconds; and so is what it logs right after."""
    monkeypatch.setattr(register, "_LOG_TIMEOUT_S", 60.0)
    monkeypatch.setattr(register, "_LOG_AFTER_S", 2.0)


async def test_a_broker_that_is_as_it_shall_be_is_found_in_order(secured: Secured) -> None:
    found = await examine_register(secured.settings)
    assert {each.level for each in found} == {"good"}, found
    assert any("a change is written" in each.what for each in found)


async def test_a_directory_that_the_broker_may_not_write_is_found(secured: Secured) -> None:
    home = secured.server.register.parent
    secured.server.register.chmod(0o400)
    home.chmod(0o500)
    try:
        found = await examine_register(secured.settings)
    finally:
        home.chmod(0o700)
        secured.server.register.chmod(0o600)
    (wrong,) = [each for each in found if each.level == "wrong"]
    assert "forgets every change" in wrong.what


async def test_a_keeper_who_is_none_is_found(secured: Secured) -> None:
    url = secured.settings.mqtt_url.get_secret_value()
    settings = settings_for(secured.settings.database_url.get_secret_value(), url, secured.settings.data_dir, url)
    assert any(each.level == "wrong" and "cannot be kept" in each.what for each in await examine_register(settings))


async def test_nobody_who_keeps_it_is_worth_a_note(secured: Secured) -> None:
    url = secured.settings.mqtt_url.get_secret_value()
    settings = settings_for(secured.settings.database_url.get_secret_value(), url, secured.settings.data_dir)
    assert any("TELECARE_MQTT_ADMIN_URL" in each.what for each in await examine_register(settings))
