"""Where mail and texts go is said in settings, and a wrong one is named without its secret."""

import string
import uuid
from email import policy
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.alerts.channels.email.message import message
from services.alerts.channels.email.server import MailServer, address_of
from services.alerts.channels.sms.account import NotifyAccount
from services.alerts.channels.wording import wording
from services.chassis.settings import Settings, SettingsError, load_settings
from services.registry.domain.address import normal
from tests.unit.alerts.build import NOON

PASSWORD = "hunter2-and-more"
SERVICE, SECRET, TEMPLATE = (str(uuid.UUID(int=n)) for n in (1, 2, 3))


def settings(**changes: Any) -> Settings:
    return Settings(database_url=SecretStr("x"), mqtt_url=SecretStr("x"), **changes)


def mail(url: str, sender: str | None = "Telecare <telecare@council.example>") -> MailServer:
    server = MailServer.from_settings(settings(smtp_url=SecretStr(url), email_from=sender))
    assert server is not None
    return server


# -- mail ---------------------------------------------------------------------------------------------------------------


def test_nothing_set_is_no_mail() -> None:
    assert MailServer.from_settings(settings()) is None


def test_a_submission_server_is_read_with_its_password() -> None:
    server = mail("smtp://tele%40care:p%3A%2F%40ss@mail.example")
    assert (server.host, server.port, server.username, server.password) == (
        "mail.example",
        587,
        "tele@care",
        "p:/@ss",
    )
    assert "p:/@ss" not in f"{server} {server!r}"


@pytest.mark.parametrize(
    ("url", "tls", "start_tls"),
    [
        ("smtp://mail.example", False, True),
        ("smtp://192.0.2.7:25", False, True),
        ("smtps://mail.example", True, False),
        ("smtp://127.0.0.1:25", False, False),
        ("smtp://localhost:25", False, False),
        ("smtp://[::1]:25", False, False),
        ("smtp://localhost.evil.example", False, True),
    ],
)
def test_nothing_goes_over_a_network_in_the_clear(url: str, tls: bool, start_tls: bool) -> None:
    server = mail(url)
    assert (server.tls, server.start_tls) == (tls, start_tls)


@pytest.mark.parametrize(
    "url",
    [
        f"http://u:{PASSWORD}@mail.example",
        f"smtp://u:{PASSWORD}@",
        f"smtp://u:{PASSWORD}/half@mail.example",
        f"smtp://u:{PASSWORD}@mail.example:port",
        f"smtp://u:{PASSWORD}@mail.example:587/path",
        f"smtp://u:{PASSWORD}@[mail.example",
        f"smtp://:{PASSWORD}@mail.example",
        "smtp://user-alone@mail.example",
        "mail.example",
    ],
)
def test_a_url_that_is_none_is_named_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="TELECARE_SMTP_URL is not usable") as caught:
        mail(url)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("sender", [None, "", "telecare", "a@b@c", "Telecare <telecare@council.example>, b@c.example"])
def test_mail_needs_an_address_to_come_from(sender: str | None) -> None:
    with pytest.raises(SettingsError, match="TELECARE_EMAIL_FROM"):
        mail("smtp://mail.example", sender)


@pytest.mark.parametrize(
    "text",
    [
        "a@b.example\r\nBcc: all@b.example",
        "a@b.example\nX: y",
        "a@b.example>\r\nRCPT TO:<c@d.example",
        "a b@c.example",
        '"a b"@c.example',
        "a@b.example, c@d.example",
        "a@[127.0.0.1]",
        "@b.example",
        "a@",
        "a@b\x00.example",
        "a@b\u2028.example",
        "a@bücher.example",
        "a@" + "b" * 320,
        "",
    ],
)
def test_what_is_more_or_less_than_one_address_is_none(text: str) -> None:
    assert address_of(text) is None


@pytest.mark.parametrize("text", ["isla@council.example", "Isla MacLeod <isla@council.example>"])
def test_an_address_may_have_a_name(text: str) -> None:
    address = address_of(text)
    assert address is not None
    assert address.addr_spec == "isla@council.example"


# -- texts --------------------------------------------------------------------------------------------------------------


def texts(**changes: Any) -> NotifyAccount | None:
    values = {
        "notify_api_key": SecretStr(f"my_test-key-{SERVICE}-{SECRET}"),
        "notify_url": "https://notify.example/",
        "notify_template_id": TEMPLATE,
    }
    return NotifyAccount.from_settings(settings(**(values | changes)))


def test_no_key_is_no_texts() -> None:
    assert texts(notify_api_key=None) is None


def test_a_key_is_a_name_a_service_and_a_secret() -> None:
    account = texts()
    assert account is not None
    assert (account.url, account.service_id, account.secret) == ("https://notify.example", SERVICE, SECRET)
    assert SECRET not in repr(account)


def test_a_request_is_signed_as_documented() -> None:
    account = texts()
    assert account is not None
    token = account.token(NOON)
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_iat": False})
    assert claims == {"iss": SERVICE, "iat": int(NOON.timestamp())}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"notify_url": None}, "TELECARE_NOTIFY_URL"),
        ({"notify_template_id": None}, "TELECARE_NOTIFY_TEMPLATE_ID"),
        ({"notify_api_key": SecretStr(f"{SERVICE}-{SECRET[:-1]}")}, "TELECARE_NOTIFY_API_KEY"),
        ({"notify_url": "http://notify.example"}, "TELECARE_NOTIFY_URL"),
        ({"notify_url": "notify.example"}, "TELECARE_NOTIFY_URL"),
        ({"notify_url": "https://[notify"}, "TELECARE_NOTIFY_URL"),
        ({"notify_url": "https://notify.example?key=1"}, "TELECARE_NOTIFY_URL"),
    ],
)
def test_what_is_missing_or_wrong_is_named_without_the_key(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        texts(**changes)
    assert SECRET[:-1] not in str(caught.value)


# -- where people open the console --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["telecare.example", "ftp://telecare.example", "https://a b", 'https://a/"><b'])
def test_an_address_of_the_console_that_is_none_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="TELECARE_PUBLIC_URL"):
        load_settings(database_url="x", mqtt_url="x", public_url=url)


_ATEXT = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-"
_labels = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
_addresses = st.builds(
    lambda local, labels: f"{'.'.join(local)}@{'.'.join(labels)}",
    st.lists(st.text(_ATEXT, min_size=1, max_size=12), min_size=1, max_size=3),
    st.lists(_labels, min_size=1, max_size=3).map(lambda labels: [*labels, "example"]),
)


@given(_addresses)
def test_every_address_that_the_registry_takes_can_be_written_to(text: str) -> None:
    address = address_of(normal("email", text))
    assert address is not None
    assert address.addr_spec == text
    sender = address_of("telecare@council.example")
    assert sender is not None
    mail = message("msg_1", wording("{}"), sender, address, NOON).as_bytes(policy=policy.SMTP)
    headers = mail.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ").split("\r\n")
    assert [each.partition(":")[0] for each in headers][:3] == ["From", "To", "Date"]
