"""What a provider signs is believed only as far as it is for us, for this sign-in, and signed by the provider's own key."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from services.chassis.oidc import discovery
from services.chassis.oidc.errors import BadIdToken, ProviderAway, ProviderRefuses
from services.chassis.oidc.provider import Client, Provider

ISSUER = "https://login.example/tenant/v2.0"
SECRET = "the client's secret, of thirty-two bytes or more"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


class Still:
    def now(self) -> datetime:
        return NOW


class Far:
    """The far end: publishes its keys, and answers every code with the ID token that a test has made."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.published = [self.key]
        self.answer: dict[str, Any] = {}
        self.status = 200
        self.metadata: dict[str, Any] = {"issuer": ISSUER}
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path.endswith("/.well-known/openid-configuration"):
            endpoints = {
                "authorization_endpoint": "https://login.example/authorize",
                "token_endpoint": "https://login.example/token",
                "jwks_uri": "https://login.example/keys",
            }
            return httpx.Response(200, json=endpoints | self.metadata)
        if request.url.path == "/keys":
            return httpx.Response(200, json={"keys": [each.as_dict(private=False) for each in self.published]})
        return httpx.Response(self.status, json=self.answer)

    def signs(self, *, key: Any = None, alg: str = "RS256", **claims: Any) -> None:
        good = {
            "iss": ISSUER,
            "aud": "telecare",
            "sub": "7",
            "iat": SECONDS,
            "exp": SECONDS + 300,
            "nonce": "n",
            "groups": [],
        }
        key = key or self.key
        header = {"alg": alg} | ({"kid": key.kid} if key.kid else {})
        kept = {name: value for name, value in (good | claims).items() if value is not None}
        self.answer = {"id_token": jwt.encode(header, kept, key, algorithms=[alg]), "access_token": "a"}


@pytest.fixture
def far() -> Far:
    return Far()


def provider_at(far: Far) -> Provider:
    client = Client("telecare", SECRET, "openid", ("roles", "groups"))
    return Provider(ISSUER, client, Still(), httpx.MockTransport(far))


async def exchanged(far: Far) -> Any:
    return await provider_at(far).exchange("code", redirect_uri="https://x/cb", nonce="n", verifier="v" * 43)


async def test_what_is_as_it_should_be_is_believed(far: Far) -> None:
    far.signs(name="Morag")
    assert (await exchanged(far)).claims["name"] == "Morag"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-application"},
        {"aud": ["telecare", "another-application"], "azp": "another-application"},
        {"aud": None},
        {"iss": "https://login.example/another-tenant/v2.0"},
        {"iss": None},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"exp": SECONDS - 61},
        {"exp": None},
        {"nbf": SECONDS + 61},
        {"sub": None},
        {"at_hash": "of-another-access-token"},
    ],
    ids=str,
)
async def test_a_token_of_another_audience_issuer_sign_in_or_time_is_refused(far: Far, claims: dict[str, Any]) -> None:
    far.signs(**claims)
    with pytest.raises(BadIdToken):
        await exchanged(far)


async def test_a_token_that_nobody_signed_or_somebody_else_did_is_refused(far: Far) -> None:
    stranger = RSAKey.import_key(RSAKey.generate_key(2048).as_dict(private=True) | {"kid": str(far.key.kid)})
    far.signs(key=stranger)
    with pytest.raises(BadIdToken):
        await exchanged(far)
    far.signs(key=OctKey.import_key(SECRET), alg="HS256")
    with pytest.raises(BadIdToken):
        await exchanged(far)
    far.signs()
    head, body, _ = far.answer["id_token"].split(".")
    none = _encoded(json.dumps({"alg": "none"}).encode())
    for forged in (f"{none}.{body}.", f"{head}.{body}.", "x", "", 7, None):
        far.answer["id_token"] = forged
        with pytest.raises(BadIdToken):
            await exchanged(far)


async def test_the_providers_public_key_is_no_secret_to_sign_with(far: Far) -> None:
    """The old confusion of algorithms: HMAC by the text of a public key."""
    far.signs()
    body = far.answer["id_token"].split(".")[1]
    head = _encoded(json.dumps({"alg": "HS256", "kid": far.key.kid}).encode())
    signature = hmac.digest(far.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    far.answer["id_token"] = f"{head}.{body}.{_encoded(signature)}"
    with pytest.raises(BadIdToken):
        await exchanged(far)


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


async def test_a_new_key_is_looked_up_at_once_and_made_up_ones_are_not_looked_up_again_and_again(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "AGAIN_AFTER_S", 600.0)  # five new keys take a busy machine its seconds
    provider = provider_at(far)
    far.signs()
    await provider.exchange("code", redirect_uri="https://x/cb", nonce="n", verifier="v" * 43)
    before = far.asked.count("/keys")
    for _ in range(5):
        far.signs(key=RSAKey.generate_key(2048, auto_kid=True))
        with pytest.raises(BadIdToken):
            await provider.exchange("code", redirect_uri="https://x/cb", nonce="n", verifier="v" * 43)
    assert far.asked.count("/keys") == before  # they were fetched a moment ago
    monkeypatch.setattr(discovery, "AGAIN_AFTER_S", 0.0)
    new = RSAKey.generate_key(2048, auto_kid=True)
    far.published = [new]
    far.signs(key=new)
    await provider.exchange("code", redirect_uri="https://x/cb", nonce="n", verifier="v" * 43)
    assert far.asked.count("openid-configuration") == 0
    assert sum(path.endswith("openid-configuration") for path in far.asked) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://login.example/another-tenant/v2.0"},
        {"token_endpoint": "http://login.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
async def test_a_configuration_of_another_issuer_or_without_tls_is_not_used(far: Far, metadata: dict[str, Any]) -> None:
    far.metadata |= metadata
    with pytest.raises(ProviderAway):
        await provider_at(far).authorization_url(redirect_uri="https://x/cb", state="s", nonce="n", verifier="v" * 43)


@pytest.mark.parametrize(
    ("status", "answer", "raised"),
    [
        (400, {"error": "invalid_grant"}, ProviderRefuses),
        (400, {"error": "invalid_client"}, ProviderAway),
        (401, {"error": "invalid_client"}, ProviderAway),
        (400, {"nothing": "of the kind"}, ProviderAway),
        (429, {"error": "invalid_grant"}, ProviderAway),
        (503, {"error": "invalid_grant"}, ProviderAway),
        (200, ["no", "object"], ProviderAway),
    ],
)
async def test_only_a_no_about_the_person_is_a_no_and_a_secret_of_ours_that_expired_ends_no_shift(
    far: Far, status: int, answer: Any, raised: type[Exception]
) -> None:
    far.status, far.answer = status, answer
    with pytest.raises(raised) as error:
        await provider_at(far).refresh("r")
    assert type(error.value) is raised


async def test_what_is_refreshed_is_of_the_same_person(far: Far) -> None:
    far.signs(nonce=None)
    provider = provider_at(far)
    renewal = await provider.refresh("r")
    assert renewal.refresh_token == "r"
    assert (await provider.claims_of(renewal, "7"))["sub"] == "7"
    with pytest.raises(BadIdToken):
        await provider.claims_of(renewal, "8")


async def test_the_browser_is_sent_with_a_challenge_and_never_with_what_answers_it(far: Far) -> None:
    url = httpx.URL(
        await provider_at(far).authorization_url(redirect_uri="https://x/cb", state="s", nonce="n", verifier="v" * 43)
    )
    asked = dict(url.params)
    assert (asked["code_challenge_method"], asked["response_type"], asked["state"], asked["nonce"]) == (
        "S256",
        "code",
        "s",
        "n",
    )
    assert "v" * 43 not in str(url)
    assert SECRET not in str(url)
