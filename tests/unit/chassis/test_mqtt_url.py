import pytest

from services.chassis.mqtt import MqttUrl


def test_a_full_url_is_read() -> None:
    url = MqttUrl.parse("mqtt://ingest:s3cret@broker.example:1884")
    assert (url.host, url.port, url.tls, url.username, url.password) == (
        "broker.example",
        1884,
        False,
        "ingest",
        "s3cret",
    )


@pytest.mark.parametrize(("text", "port"), [("mqtt://broker", 1883), ("mqtts://broker/", 8883)])
def test_the_usual_port_may_be_left_out(text: str, port: int) -> None:
    url = MqttUrl.parse(text)
    assert (url.port, url.tls, url.username, url.password) == (port, text.startswith("mqtts"), None, None)


def test_escapes_in_user_and_password_are_undone() -> None:
    url = MqttUrl.parse("mqtt://a%40b:p%2F%3A%40@h")
    assert (url.username, url.password) == ("a@b", "p/:@")


def test_an_ipv6_address_is_read_and_written() -> None:
    url = MqttUrl.parse("mqtt://[::1]:1883")
    assert url.host == "::1"
    assert str(url) == "mqtt://[::1]:1883"


def test_the_password_is_never_shown() -> None:
    url = MqttUrl.parse("mqtts://ingest:s3cret@broker")
    assert str(url) == "mqtts://ingest@broker:8883"
    assert "s3cret" not in f"{url} {url!r} {(url,)}"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("http://s3cret@broker", "mqtts://"),
        ("broker:1883", "mqtt://"),
        ("mqtt://:1883", "names no host"),
        ("mqtt://u:s3cret@broker/topic", "%2F"),
        ("mqtt://u:s3/cret@broker:1883", "%2F"),  # the password's / ends the host part
        ("mqtt://u:s3cret@broker:port", "mqtt://host:1883"),
        ("mqtt://u:s3cret@broker:99999", "mqtt://host:1883"),
        ("mqtt://:s3cret@broker", "no user"),
        ("mqtt://[u:s3cret", "cannot be read"),
    ],
)
def test_a_bad_url_is_refused_with_advice_and_without_the_password(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as refusal:
        MqttUrl.parse(text)
    assert refusal.value.__cause__ is None
    assert "s3" not in str(refusal.value)
