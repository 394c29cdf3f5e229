"""The identity provider, as one client of it: where a browser signs in, and what a code or a refresh token is exchanged for."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jws import JWSRegistry

from services.chassis.clock import Clock
from services.chassis.oidc.discovery import Discovery, get_json, is_safe, json_of, send
from services.chassis.oidc.errors import BadIdToken, ProviderAway, ProviderRefuses

ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]
"""Signatures by a key that only the provider has; never `none`, nor one by the client's secret."""
_LEEWAY_S: Final = 60
_REFUSED: Final = {"invalid_grant", "access_denied", "interaction_required", "login_required", "consent_required"}
"""What is said of a code or a person; anything else is said of us, or of the provider's own state."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for."""

    claims: Mapping[str, Any]
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a refresh token was exchanged for; `refresh_token` is good from now on."""

    refresh_token: str = field(repr=False)  # as good as a password
    answer: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to the provider. `role_claims`: where groups and roles are looked for; `prompt`: what it asks of the person."""

    client_id: str
    client_secret: str
    scope: str
    role_claims: tuple[str, ...]
    prompt: str | None = None


class Provider:
    """`transport`: httpx's own, unless a test stands on the way."""

    def __init__(
        self, issuer: str, client: Client, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.issuer = issuer
        self._client = client
        self._clock = clock
        self._http = httpx.AsyncClient(transport=transport, follow_redirects=False)
        self.discovery = Discovery(issuer, self._http)

    async def close(self) -> None:
        await self._http.aclose()

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. Raises ProviderAway."""
        endpoint = (await self.discovery.metadata())["authorization_endpoint"]
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._client.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        if self._client.prompt:
            asked["prompt"] = self._client.prompt
        return str(httpx.URL(endpoint).copy_merge_params(asked))

    async def exchange(self, code: str, *, redirect_uri: str, nonce: str, verifier: str) -> Tokens:
        """A code for claims that are proved to be for this very sign-in. Raises ProviderAway, ProviderRefuses."""
        answer = await self._token(
            grant_type="authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier
        )
        claims = await self._proved(answer, nonce)
        return Tokens(await self._completed(claims, answer), _text(answer.get("refresh_token")))

    async def refresh(self, refresh_token: str) -> Renewal:
        """Raises ProviderAway; ProviderRefuses when the person is to go.

        The answer's refresh token is to be kept before anything else is asked: most providers take the one of before no more.
        """
        answer = await self._token(grant_type="refresh_token", refresh_token=refresh_token)
        return Renewal(_text(answer.get("refresh_token")) or refresh_token, answer)

    async def claims_of(self, renewal: Renewal, subject: str) -> Mapping[str, Any]:
        """What the provider says of this person now. Raises ProviderAway."""
        answer = renewal.answer
        claims = await self._proved(answer, None) if "id_token" in answer else await self._userinfo(answer)
        if claims.get("sub") != subject:
            raise BadIdToken("the provider answered for somebody else")
        return await self._completed(claims, answer)

    async def _token(self, **form: str) -> Mapping[str, Any]:
        metadata = await self.discovery.metadata()
        headers = {"Accept": "application/json"}
        if "client_secret_post" in metadata.get("token_endpoint_auth_methods_supported", ()):
            form |= {"client_id": self._client.client_id, "client_secret": self._client.client_secret}
        else:
            # What every provider must know; but not all of them decode it as RFC 6749 (2.3.1) says.
            pair = f"{quote_plus(self._client.client_id)}:{quote_plus(self._client.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        request = self._http.build_request("POST", metadata["token_endpoint"], data=form, headers=headers)
        response = await send(self._http, request)
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        return json_of(response)

    async def _proved(self, answer: Mapping[str, Any], nonce: str | None) -> Mapping[str, Any]:
        """The claims of the ID token: signed by the issuer, for us, not expired, and of the sign-in that `nonce` began."""
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise BadIdToken("the provider sent no ID token")
        try:
            decoded = await self._decoded(token)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client.client_id},
                },
                {"nonce": nonce, "client_id": self._client.client_id, "access_token": answer.get("access_token")},
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise BadIdToken(f"the ID token is not good: {error}") from None
        return dict(claims)

    async def _decoded(self, token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        keys = await self.discovery.keys()
        try:
            return jwt.decode(token, key=keys, registry=registry)
        except (InvalidKeyIdError, JoseError):
            # Perhaps by a key that is newer than those we know of.
            return jwt.decode(token, key=await self.discovery.keys(again=True), registry=registry)

    async def _completed(self, claims: Mapping[str, Any], answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """With what only the userinfo endpoint tells, where the ID token has none of the claims that give roles."""
        has_roles = any(name in claims for name in (*self._client.role_claims, "_claim_names"))
        if has_roles or not is_safe((await self.discovery.metadata()).get("userinfo_endpoint")):
            return claims
        more = await self._userinfo(answer)
        if more.get("sub") != claims.get("sub"):
            raise BadIdToken("the provider's userinfo is of somebody else")
        return {**more, **claims}

    async def _userinfo(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        endpoint = (await self.discovery.metadata()).get("userinfo_endpoint")
        token = _text(answer.get("access_token"))
        if token is None or not is_safe(endpoint):
            raise ProviderAway("it answers without an ID token, and has no userinfo endpoint")
        return await get_json(self._http, str(endpoint), {"Authorization": f"Bearer {token}"})


def _refusal(response: httpx.Response) -> ProviderAway | ProviderRefuses:
    """Only what it says of the code or the person ends anything: a secret of ours that has expired must not end a shift."""
    try:
        error = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        error = ""
    known = error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 64 else "no reason"
    if error in _REFUSED:
        return ProviderRefuses(known)
    return ProviderAway(f"it answers HTTP {response.status_code}: {known}")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
