"""What `telecare doctor` says of signing in, before anybody tries."""

from pathlib import Path
from typing import Any

from services.chassis.settings import Settings, load_settings
from services.cli.doctor.identity import examine_identity
from tests.support.identity import CLIENT_SECRET, IdentityProvider
from tests.support.servers import Database, free_port

HTTPS = {"public_url": "https://telecare.example/", "trusted_proxies": "127.0.0.1/32"}


def settings_of(database: Database, tmp_path: Path, **more: Any) -> Settings:
    return load_settings(database_url=database.url, mqtt_url="mqtt://127.0.0.1:1", data_dir=tmp_path, **more)


async def said(settings: Settings) -> list[tuple[str, str]]:
    found = await examine_identity(settings)
    assert CLIENT_SECRET not in repr(found)
    return [(finding.level, f"{finding.what} {finding.advice or ''}") for finding in found]


async def test_a_sound_provider_is_found_sound_and_what_it_must_know_of_us_is_said(
    database: Database, tmp_path: Path, canaille: IdentityProvider
) -> None:
    mapped = canaille.settings | {"oidc_role_map": '{"a": {"role": "engineer", "councils": ["fife"]}}'}
    found = await said(settings_of(database, tmp_path, **mapped, **HTTPS))
    assert [level for level, _ in found] == ["good", "good", "note", "good"]
    assert "https://telecare.example/sign-in/oidc/callback" in found[1][1]
    assert "an hour" in found[2][1]


async def test_a_map_that_names_what_there_is_not_and_an_address_without_tls_are_wrong(
    database: Database, tmp_path: Path, canaille: IdentityProvider
) -> None:
    found = await said(settings_of(database, tmp_path, **canaille.settings, public_url="http://telecare.example"))
    wrong = [what for level, what in found if level == "wrong"]
    assert len(wrong) == 2
    assert "no https:// address" in wrong[0]
    assert "hub clyde-arc" in wrong[1]
    assert any("TELECARE_TRUSTED_PROXIES is not set" in what for _, what in found)


async def test_a_provider_that_is_away_or_set_in_half_is_wrong_and_none_is_a_choice(
    database: Database, tmp_path: Path, canaille: IdentityProvider
) -> None:
    away = canaille.settings | {"oidc_issuer": f"http://127.0.0.1:{free_port()}"}
    [(level, what), *_] = await said(settings_of(database, tmp_path, **away, **HTTPS))
    assert (level, "can't be reached" in what) == ("wrong", True)
    other = canaille.settings | {"oidc_issuer": f"{canaille.issuer}/"}
    [(level, what), *_] = await said(settings_of(database, tmp_path, **other, **HTTPS))
    assert (level, "another issuer" in what) == ("wrong", True)
    [(level, what)] = await said(settings_of(database, tmp_path, oidc_issuer=canaille.issuer))
    assert (level, "set in half: give TELECARE_OIDC_CLIENT_ID" in what) == ("wrong", True)
    [(level, what)] = await said(settings_of(database, tmp_path))
    assert (level, "with tokens" in what) == ("note", True)
