"""Secrets as files, as systemd and container engines hand them over."""

from pathlib import Path

import pytest

from services.chassis.settings import SettingsError, load_settings


@pytest.fixture(params=["TELECARE_SECRETS_DIR", "CREDENTIALS_DIRECTORY"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TELECARE_SECRETS_DIR", "CREDENTIALS_DIRECTORY", "TELECARE_DATABASE_URL", "TELECARE_MQTT_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "telecare_database_url").write_text("postgresql://telecare:secret@127.0.0.1/telecare\n")
    (tmp_path / "telecare_mqtt_url").write_text("mqtt://telecare:secret@127.0.0.1\n")
    monkeypatch.setenv(request.param, str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_secret_may_be_a_file_and_what_the_environment_says_comes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().database_url.get_secret_value() == "postgresql://telecare:secret@127.0.0.1/telecare"
    monkeypatch.setenv("TELECARE_MQTT_URL", "mqtt://127.0.0.2")
    assert load_settings().mqtt_url.get_secret_value() == "mqtt://127.0.0.2"


def test_a_missing_file_is_a_missing_setting(folder: Path) -> None:
    (folder / "telecare_mqtt_url").unlink()
    with pytest.raises(SettingsError, match="TELECARE_MQTT_URL is not set"):
        load_settings()


def test_a_directory_that_is_not_there_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELECARE_SECRETS_DIR", str(folder / "nowhere"))
    with pytest.raises(SettingsError, match="TELECARE_SECRETS_DIR"):
        load_settings()
