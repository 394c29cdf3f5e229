"""What goes over a network is encrypted and asks who is there; otherwise nothing starts, and it is said what to do."""

from typing import Any

import pytest

from services.chassis.exposure import exposures, protected
from services.chassis.settings import Settings, SettingsError, load_settings

SECRET = "open-sesame-4711"
DATABASE = f"postgresql://telecare:{SECRET}@db.example:5432/telecare"
BROKER = f"mqtts://telecare:{SECRET}@broker.example:8883"


def settings(**given: Any) -> Settings:
    local = {"database_url": "postgresql://telecare@127.0.0.1/telecare", "mqtt_url": "mqtt://127.0.0.1:1883"}
    return load_settings(**(local | given))


def variables(**given: Any) -> list[str]:
    """The first word of each exposure: the setting that it is about."""
    return [each.what.split()[0] for each in exposures(settings(**given))]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    at = f"[{host}]" if ":" in host else host
    assert variables(http_host=host, mqtt_url=f"mqtt://{at}", database_url=f"postgresql://{at}:5432/telecare") == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "telecare.example", "localhost.example"])
def test_http_beyond_loopback_wants_a_certificate_or_somebody_s_word(host: str, tmp_path: Any) -> None:
    assert variables(http_host=host) == ["TELECARE_HTTP_HOST"]
    assert variables(http_host=host, http_cert=tmp_path / "http.crt", http_key=tmp_path / "http.key") == []
    assert variables(http_host=host, tls_elsewhere="http") == []
    assert variables(http_host=host, tls_elsewhere="broker,database") == ["TELECARE_HTTP_HOST"]


@pytest.mark.parametrize("name", ["mqtt_url", "mqtt_admin_url"])
def test_a_broker_beyond_loopback_wants_tls_and_a_user(name: str) -> None:
    variable = f"TELECARE_{name.upper()}"
    assert variables(**{name: BROKER}) == []
    assert variables(**{name: BROKER.replace("mqtts", "mqtt")}) == [variable]
    assert variables(**{name: BROKER.replace("mqtts", "mqtt"), "tls_elsewhere": "broker"}) == []
    assert variables(**{name: "mqtts://broker.example"}) == [variable]
    assert variables(**{name: "mqtt://broker.example", "tls_elsewhere": "broker"}) == [variable], "a VPN knows nobody"


@pytest.mark.parametrize(
    "query", ["", "?sslmode=require", "?sslmode=verify-ca", "?sslmode=prefer", "?application_name=verify-full"]
)
def test_a_database_beyond_loopback_wants_its_certificate_looked_at(query: str) -> None:
    assert variables(database_url=DATABASE + query) == ["TELECARE_DATABASE_URL"]
    assert variables(database_url=DATABASE + query, tls_elsewhere="database") == []


@pytest.mark.parametrize(
    "url",
    [
        f"{DATABASE}?sslmode=verify-full&sslrootcert=/etc/ssl/ca.crt",
        "postgresql:///telecare",
        "postgresql:///telecare?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/telecare",
        "postgresql://u:p@127.0.0.1:5432,[::1]:5433/telecare",
    ],
)
def test_a_verified_database_and_a_socket_of_this_machine_are_fine(url: str) -> None:
    assert variables(database_url=url) == []


def test_one_host_of_several_is_enough_to_be_exposed_wherever_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variables(database_url="postgresql://u:p@127.0.0.1:5432,db.example:5432/telecare")
    assert variables(database_url="postgresql:///telecare?host=db.example")
    monkeypatch.setenv("PGHOST", "db.example")
    assert variables(database_url="postgresql:///telecare")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert variables(database_url="postgresql:///telecare") == []


def test_what_a_service_file_names_is_taken_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")  # which a service file overrules
    assert variables(database_url="postgresql://u:p@/telecare?service=prod")
    assert variables(database_url="postgresql://u:p@127.0.0.1/telecare?service=prod&sslmode=disable")
    assert variables(database_url="postgresql://u:p@/telecare?service=prod&sslmode=verify-full") == []


def test_everything_is_told_at_once_with_what_to_do_and_without_a_password() -> None:
    exposed = settings(http_host="0.0.0.0", mqtt_url=f"mqtt://telecare:{SECRET}@broker.example", database_url=DATABASE)
    with pytest.raises(SettingsError) as told:
        protected(exposed)
    said = str(told.value)
    for word in (
        "TELECARE_HTTP_CERT",
        "TELECARE_HTTP_KEY",
        "mqtts://",
        "sslmode=verify-full",
        "TELECARE_TLS_ELSEWHERE",
    ):
        assert word in said
    assert SECRET not in said


def test_what_cannot_be_read_is_left_to_whoever_says_so_better() -> None:
    assert variables(mqtt_url="http://broker.example", database_url="mysql://db.example/x") == []


def test_a_way_that_there_is_not_is_refused_and_named() -> None:
    with pytest.raises(SettingsError, match="TELECARE_TLS_ELSEWHERE"):
        settings(tls_elsewhere="everything")
