"""Secrets at rest: readable under their own key and under no other."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.chassis.secrets import SecretKeyError, Vault
from services.chassis.settings import Settings, SettingsError, load_settings


def settings(data_dir: Path, key: str | None = None) -> Settings:
    return load_settings(database_url="postgresql://", mqtt_url="mqtt://", data_dir=data_dir, secret_key=key)


def test_a_secret_is_read_under_the_same_passphrase_by_another_process(tmp_path: Path) -> None:
    sealed = Vault.from_settings(settings(tmp_path, "sixteen letters!")).encrypt(b"whsec_x")
    assert b"whsec" not in sealed
    assert Vault.from_settings(settings(tmp_path, "sixteen letters!")).decrypt(sealed) == b"whsec_x"
    assert list(tmp_path.iterdir()) == []


def test_another_key_is_told_apart_and_the_setting_named(tmp_path: Path) -> None:
    sealed = Vault.from_settings(settings(tmp_path, "sixteen letters!")).encrypt(b"whsec_x")
    for stored in (sealed, b"", b"not encrypted", sealed[:-1]):
        with pytest.raises(SecretKeyError, match="TELECARE_SECRET_KEY") as told:
            Vault.from_settings(settings(tmp_path, "sixteen letters?")).decrypt(stored)
        assert "sixteen" not in str(told.value)


def test_a_short_passphrase_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TELECARE_SECRET_KEY") as told:
        Vault.from_settings(settings(tmp_path, "fifteen letters"))
    assert "fifteen" not in str(told.value)


def test_without_a_passphrase_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "state" / "telecare"
    with capture_logs() as logged:
        sealed = Vault.from_settings(settings(data_dir)).encrypt(b"whsec_x")
        assert Vault.from_settings(settings(data_dir)).decrypt(sealed) == b"whsec_x"
    (key,) = data_dir.iterdir()
    assert (key.name, stat.S_IMODE(key.stat().st_mode)) == ("secret.key", 0o600)
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("secret_key_made", "warning")
    assert key.read_text() not in str(line)


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: Vault.from_settings(settings(tmp_path)), range(16)))
    sealed = vaults[0].encrypt(b"whsec_x")
    assert {vault.decrypt(sealed) for vault in vaults} == {b"whsec_x"}
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_that_cannot_be_kept_or_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="TELECARE_DATA_DIR"):
        Vault.from_settings(settings(tmp_path / "file"))
    (tmp_path / "secret.key").write_text("")
    with pytest.raises(SettingsError, match="holds no key"):
        Vault.from_settings(settings(tmp_path))
