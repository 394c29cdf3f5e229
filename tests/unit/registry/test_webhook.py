"""Where a hub's webhook may point, and what may sign it."""

import base64
import ipaddress

import pytest

from services.registry.domain.webhook import Network, secret_fault, url_fault

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    "url",
    ["https://arc.example/telecare", "https://arc.example:8443/?a=b", "https://8.8.8.8/", "https://[2606:4700::1111]/"],
)
def test_https_to_anywhere_public_is_taken(url: str) -> None:
    assert url_fault(url, ()) is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "https://127.0.0.1/", "http://localhost:9/", "http://[::ffff:127.0.0.1]/"]
)
def test_a_private_address_is_taken_only_where_the_installation_says_so(url: str) -> None:
    assert url_fault(url, LOOPBACK) is None
    assert "TELECARE_WEBHOOK_ALLOW_CIDRS" in (url_fault(url, ()) or "")


@pytest.mark.parametrize(
    "url",
    [
        "http://arc.example/",
        "http://8.8.8.8/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "https://0.0.0.0/",
        "https://user@arc.example/",
        "https://:pw@arc.example/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://arc.example:port/",
        "https://arc.example:99999/",
        "https://[::1/",
        "https://arc.example/\n",
        "https://arc .example/",
        "arc.example",
        "",
        "https://arc.example/" + "x" * 2048,
    ],
)
def test_what_cannot_or_may_not_be_reached_is_refused_with_a_reason(url: str) -> None:
    assert url_fault(url, LOOPBACK)


def secret(length: int) -> str:
    return "whsec_" + base64.b64encode(b"x" * length).decode()


@pytest.mark.parametrize("length", [16, 24, 32, 64])
def test_a_secret_of_standard_webhooks_is_taken(length: int) -> None:
    assert secret_fault(secret(length)) is None


@pytest.mark.parametrize(
    "wrong", ["", "whsec_", "whsec_!!!!", secret(15), secret(65), secret(32)[6:], "whsec_é", secret(32)[:-1]]
)
def test_another_secret_is_refused_and_not_repeated(wrong: str) -> None:
    fault = secret_fault(wrong)
    assert fault
    assert len(wrong) < 7 or wrong not in fault
