"""An identity provider that runs: Canaille, on loopback, as a process of its own (its packages warn, and ours must not)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp

from tests.support.servers import free_port, until

ROOT: Final = Path(__file__).parents[2]
CLIENT_ID: Final = "telecare"
CLIENT_SECRET: Final = "the-client's-secret: of tests"
PASSWORD: Final = "correct horse battery"
ROLE_MAP: Final = (
    '{"telecare-ops": {"role": "ops"}, "telecare-clyde": {"role": "hub", "hub": "clyde-arc"}, '
    '"telecare-fitters-glasgow": {"role": "engineer", "councils": ["glasgow-city"]}, '
    '"telecare-fitters-fife": {"role": "engineer", "councils": ["fife"]}}'
)


@dataclass
class IdentityProvider:
    """`issuer` is its address."""

    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, Any]:
        """Of a service whose people it knows."""
        return {
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
            "oidc_role_map": ROLE_MAP,
            "oidc_scope": "openid profile email groups",
            "oidc_name": "the council",
        }

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it starts in no time
            [sys.executable, "-m", "tests.support.identity_server", str(self.port)],
            cwd=ROOT,
            env=dict(os.environ) | {"PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await until(self._answers, 60, what="the identity provider to answer")

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the identity provider has ended"
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.issuer}/oauth/jwks.json") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def knows(self, url: str) -> None:
        """Our service, at this address, is a client of it."""
        await self._do("client", redirect_uris=[f"{url}/sign-in/oidc/callback"])

    async def person(self, user: str, name: str, *groups: str) -> None:
        """A person, with these groups and no others."""
        await self._do("person", user=user, name=name, groups=groups)

    async def rotate(self) -> None:
        """It signs with another key."""
        await self._do("rotate")

    async def tells_of_people(self, does: bool) -> None:
        """Its userinfo answers 503 unless it does; tokens it gives all the same."""
        await self._do("userinfo", away=not does)

    async def revoke(self) -> None:
        """Whatever it gave anybody is worth nothing."""
        await self._do("revoke")

    async def _do(self, what: str, **asked: Any) -> None:
        async with aiohttp.ClientSession() as http, http.post(f"{self.issuer}/test/{what}", json=asked) as answer:
            assert answer.status == 200, await answer.text()


async def sign_in_there(http: aiohttp.ClientSession, url: str, user: str, *, callback: str) -> str:
    """From the provider's authorisation address to the way back to us, beginning with `callback`: returned, not taken."""
    method = "GET"
    form: dict[str, str] = {}
    for _ in range(12):
        async with http.request(method, url, data=form or None, allow_redirects=False) as answer:
            text = await answer.text()
            if answer.status in {301, 302, 303, 307}:
                method, form, url = "GET", {}, urljoin(url, answer.headers["Location"])
                if url.startswith(callback):
                    return url
                continue
        method, form = "POST", _filled(text, user)
    raise AssertionError(f"the provider did not let {user} in: {url}")


def _filled(text: str, user: str) -> dict[str, str]:
    """The fields of the page's form, with what a person writes into them."""
    inputs = re.findall(r"<input[^>]*>", text)
    fields = {}
    for each in inputs:
        name, value = re.search(r'name="([^"]*)"', each), re.search(r'value="([^"]*)"', each)
        if name:
            fields[name[1]] = unescape(value[1]) if value else ""
    assert fields.keys() & {"login", "password"}, text[:2000]
    return fields | {name: given for name, given in (("login", user), ("password", PASSWORD)) if name in fields}
