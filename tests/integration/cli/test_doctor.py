"""`telecare doctor`: what it finds, what it advises, and what it never says."""

import re
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509

from services.chassis.secrets import Vault
from services.chassis.settings import Settings, load_settings
from services.cli.doctor import examine
from services.cli.doctor.broker import examine_broker
from services.cli.doctor.database import examine_database
from services.cli.doctor.installation import examine_installation, examine_settings
from services.cli.doctor.messages import examine_messages
from tests.support.certificates import self_signed
from tests.support.mail import MailServer
from tests.support.notify import NotifyServer
from tests.support.servers import Broker, Database, free_port, real_stack


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for five seconds is no broker that drops messages, no pooler, and no database that is away."""
    monkeypatch.setattr("services.chassis.postgres.pool.CONNECT_TIMEOUT_S", 60)
    monkeypatch.setattr("services.cli.doctor.broker._TIMEOUT_S", 60.0)
    monkeypatch.setattr("services.cli.doctor.database._LISTEN_TIMEOUT_S", 60.0)


def _settings(tmp_path: Path, database_url: str, mqtt_url: str, **more: object) -> Settings:
    return load_settings(database_url=database_url, mqtt_url=mqtt_url, data_dir=tmp_path, **more)


async def test_a_sound_installation_has_nothing_wrong_but_the_missing_hub(
    database: Database, broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await examine(_settings(tmp_path, database.url, broker.url))
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert code == 1
    assert "no hub has a verified channel" in said
    assert "1 wrong" in said
    assert "1200 of 1200 messages queued for an absent client came" in said
    assert "all migrations applied" in said
    assert ("Apache-2" in said) if real_stack() else ("no TimescaleDB" in said)


async def test_servers_that_are_away_are_named_and_no_password_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    settings = _settings(
        tmp_path,
        f"postgresql://someone:hunter2secret@127.0.0.1:{port}/x",
        f"mqtt://someone:hunter2secret@127.0.0.1:{port}",
    )
    assert await examine(settings) == 1
    said = capsys.readouterr().out
    assert "is PostgreSQL running" in said
    assert "is it running" in said
    assert "hunter2secret" not in said


async def test_a_wrong_url_is_not_repeated(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "postgresql://someone:hunter2secret@[", "http://someone:hunter2secret@host")
    found = [*await examine_database(settings), *await examine_broker(settings)]
    assert {finding.level for finding in found} == {"wrong"}
    assert "hunter2secret" not in repr(found)


async def test_a_database_that_nobody_migrated_is_told_so(database: Database, broker: Broker, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("delete from public.telecare_migration where number >= 20")
    finally:
        await connection.close()
    found = await examine_database(_settings(tmp_path, database.url, broker.url))
    (finding,) = [each for each in found if "migration" in each.what]
    assert finding.level == "wrong"
    assert finding.advice == "run `telecare migrate`"


async def test_a_database_that_may_lose_what_it_promised_is_wrong(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(f'alter database "{database.name}" set synchronous_commit = off')
    finally:
        await connection.close()
    found = await examine_database(_settings(tmp_path, database.url, broker.url))
    assert [each.what for each in found if each.level == "wrong"] == ["synchronous_commit = off"]


async def test_a_setting_that_was_misspelt_is_named_with_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for of_the_tests in ("TELECARE_TEST_STACK", "TELECARE_STACK_DIR"):
        monkeypatch.delenv(of_the_tests, raising=False)
    monkeypatch.setenv("TELECARE_FALBACK_HUB", "clyde-arc")
    monkeypatch.setenv("TELECARE_API_URL", "http://127.0.0.1:8079")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("telecare_secret_kee", "telecare_mqtt_url", "gate.key"):
        (credentials / name).write_text("mqtt://127.0.0.1")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    settings = _settings(tmp_path, "postgresql://127.0.0.1/x", "mqtt://127.0.0.1")
    told = {each.what: (each.level, each.advice) for each in examine_settings(settings) if "is no setting" in each.what}
    assert told == {
        "TELECARE_FALBACK_HUB is no setting, and does nothing": ("note", "did you mean TELECARE_FALLBACK_HUB?"),
        "TELECARE_SECRET_KEE is no setting, and does nothing": ("note", "did you mean TELECARE_SECRET_KEY?"),
    }


async def test_settings_that_cost_sleep_are_pointed_out(database: Database, broker: Broker, tmp_path: Path) -> None:
    settings = _settings(
        tmp_path, database.url, broker.url, bootstrap_token="short", http_host="0.0.0.0", fallback_hub="nowhere"
    )
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("insert into registry.hub values ('clyde-arc', 'Clyde', now())")
        await connection.execute(
            "insert into registry.hub_channel (channel_id, hub_id, kind, verified_at, position) "
            "values (gen_random_uuid(), 'clyde-arc', 'mqtt', now(), 0)"
        )
    finally:
        await connection.close()
    told = {each.what: each.level for each in await examine_installation(settings)}
    assert told["TELECARE_BOOTSTRAP_TOKEN is short enough to be guessed"] == "wrong"
    exposed = "TELECARE_HTTP_HOST is beyond loopback, and there is no TLS: tokens would travel in clear"
    assert told[exposed] == "wrong"
    assert told["the fallback hub 'nowhere' is unknown or has no verified channel"] == "wrong"
    assert told["32 of 32 councils have no route to a usable hub"] == "note"


async def test_a_key_that_does_not_read_what_is_stored_is_wrong_and_where_the_right_one_is_said(
    database: Database, broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a restore onto a host that was installed without the old secret_key: every hub would hear nothing."""
    key = "the key of the host that is gone"
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("insert into registry.hub values ('clyde-arc', 'Clyde', now())")
        await connection.execute(
            "insert into registry.hub_channel (channel_id, hub_id, kind, url, secret_encrypted, verified_at, position) "
            "values (gen_random_uuid(), 'clyde-arc', 'webhook', 'https://clyde.example/', $1, now(), 0)",
            Vault(key).encrypt(b"whsec_x"),
        )
    finally:
        await connection.close()
    mistaken = _settings(tmp_path, database.url, broker.url, secret_key="made anew by the install")
    assert await examine(mistaken) == 1
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "WRONG secrets TELECARE_SECRET_KEY does not read what is stored of 1 of 1 channels" in said
    assert "from the backup of /etc/telecare" in said
    assert await examine(_settings(tmp_path, database.url, broker.url, secret_key=key)) == 0


async def test_whatever_is_said_to_be_protected_elsewhere_is_pointed_out_and_a_certificate_that_ends_soon_is_wrong(
    tmp_path: Path,
) -> None:
    certificate, _ = self_signed(tmp_path)  # for a day
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    settings = _settings(
        tmp_path,
        "postgresql://db.example/x",
        "mqtt://telecare:secret@broker.example",
        tls_elsewhere="database,broker",
        http_cert=certificate,
        http_key=certificate.with_suffix(".key"),
    )
    told = {each.what: each.level for each in examine_settings(settings)}
    assert told["TELECARE_TLS_ELSEWHERE says that database is protected by something else"] == "note"
    assert told["TELECARE_TLS_ELSEWHERE says that broker is protected by something else"] == "note"
    assert [what for what, level in told.items() if level == "wrong"] == [
        f"the certificate of HTTP is good until {ends:%Y-%m-%d}, for 0 days"
    ]
    settings = settings.model_copy(update={"http_key": tmp_path / "nowhere.key"})
    assert "wrong" in {each.level for each in examine_settings(settings) if "TELECARE_HTTP_KEY" in each.what}


async def test_what_texts_and_e_mails_are_handed_to_is_asked_whether_it_takes_us(tmp_path: Path) -> None:
    mail, notify = MailServer(), NotifyServer()
    await mail.start()
    await notify.start()
    try:
        settings = _settings(
            tmp_path,
            "postgresql://127.0.0.1/x",
            "mqtt://127.0.0.1",
            smtp_url=mail.url,
            email_from="telecare@example.org",
            notify_url=notify.url,
            notify_api_key=notify.api_key,
            notify_template_id=notify.template_id,
        )
        assert [finding.level for finding in await examine_messages(settings)] == ["good", "good"]
    finally:
        await mail.stop()
        await notify.stop()
    found = await examine_messages(settings)
    assert [finding.level for finding in found] == ["wrong", "wrong"]
    assert notify.secret not in repr(found)


async def test_what_is_not_configured_is_worth_a_thought_and_no_fault(tmp_path: Path) -> None:
    found = await examine_messages(_settings(tmp_path, "postgresql://127.0.0.1/x", "mqtt://127.0.0.1"))
    assert [finding.level for finding in found] == ["note", "note"]
    assert "TELECARE_SMTP_URL" in repr(found)
    assert "TELECARE_NOTIFY_URL" in repr(found)
