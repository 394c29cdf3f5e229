"""Canaille, an identity provider, on loopback: `python -m tests.support.identity_server PORT`; `/test` is for tests."""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from flask import Flask, jsonify, request
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT_ID: Final = "telecare"
OTHER_CLIENT_ID: Final = "another-application"
CLIENT_SECRET: Final = "the-client's-secret: of tests"
PASSWORD: Final = "correct horse battery"
ROLES: Final = ("telecare-ops", "telecare-clyde", "telecare-fitters-glasgow", "telecare-fitters-fife", "cyclists")


def _key() -> dict[str, Any]:
    return dict(RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True))


def _application(port: int) -> Flask:
    app: Flask = create_app(
        {
            "SECRET_KEY": "of tests",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "TESTING": True,
            "WTF_CSRF_ENABLED": False,
            # Its sessions are cookies: each answer to a picture or a field, set down after who signed in, would bring back the
            # one of before, so that a person who types as fast as a test is asked again who she is (10 times of 60).
            "SESSION_REFRESH_EACH_REQUEST": False,
            "CANAILLE": {
                "HTMX": False,
                "DATABASE": "memory",
                "SMTP": None,
                "ENABLE_PASSWORD_COMPROMISSION_CHECK": False,
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"], "READ": ["user_name", "groups"], "WRITE": []}},
            },
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [_key()]},
        },
        init_backend=True,
    )
    return app


def _delete_all(model: Any) -> None:
    for each in Backend.instance.query(model):
        Backend.instance.delete(each)


def _controls(app: Flask) -> None:
    """No way into a real provider: what an administrator of one does by hand."""

    @app.post("/test/client")
    def client() -> Any:
        # Canaille's store in memory takes any code of a client for the one that is asked for, so that none may be left over; and
        # two access tokens of one person are the same text if they are of the same second, of which one may be revoked.
        _delete_all(models.AuthorizationCode)
        _delete_all(models.Token)
        asked = request.get_json()
        for client_id in (CLIENT_ID, OTHER_CLIENT_ID):
            old = Backend.instance.get(models.Client, client_id=client_id)
            made = old or models.Client(client_id=client_id)
            made.client_name = client_id
            made.client_secret = CLIENT_SECRET
            made.client_uri = "http://127.0.0.1"  # trusted: it asks nobody's consent
            made.redirect_uris = asked["redirect_uris"]
            made.post_logout_redirect_uris = []
            made.grant_types = ["authorization_code", "refresh_token"]
            made.response_types = ["code"]
            made.scope = ["openid", "profile", "email", "groups"]
            made.token_endpoint_auth_method = "client_secret_post"
            Backend.instance.save(made)
            made.audience = [made]
            Backend.instance.save(made)
        return jsonify({})

    @app.post("/test/person")
    def person() -> Any:
        asked = request.get_json()
        user = Backend.instance.get(models.User, user_name=asked["user"]) or models.User(user_name=asked["user"])
        user.formatted_name, user.family_name = asked["name"], asked["name"]
        user.display_name = f"{asked['user']}@council.example"
        user.emails = [f"{asked['user']}@council.example"]
        Backend.instance.save(user)
        Backend.instance.set_user_password(user, PASSWORD)
        wanted = set(asked["groups"])
        for name in ROLES:
            group = Backend.instance.get(models.Group, display_name=name) or models.Group(display_name=name)
            others = [each for each in group.members or [] if each.user_name != user.user_name]
            group.members = [*others, user] if name in wanted else others
            if group.members:
                Backend.instance.save(group)
            elif group.id:
                Backend.instance.delete(group)
        return jsonify({})


def _troubles(app: Flask) -> None:
    """What may go wrong at one."""

    @app.post("/test/rotate")
    def rotate() -> Any:
        """New keys from now on; those of before are gone."""
        app.config["CANAILLE_OIDC"]["ACTIVE_JWKS"] = [_key()]
        return jsonify({})

    @app.post("/test/userinfo")
    def userinfo() -> Any:
        """Whether it tells anything of people, besides giving tokens."""
        app.config["TEST_USERINFO_AWAY"] = request.get_json()["away"]
        return jsonify({})

    @app.before_request
    def away() -> Any:
        if request.path == "/oauth/userinfo" and app.config.get("TEST_USERINFO_AWAY"):
            return jsonify({}), 503
        return None

    @app.post("/test/revoke")
    def revoke() -> Any:
        """Everything that was ever issued to anybody."""
        _delete_all(models.Token)
        return jsonify({})


class _OneAtATime:
    """Its store in memory forgets a person for an instant whenever it saves one, and can't be read while that is written.

    A browser asks for a page, its styles and its pictures at once; so connections have threads, and what they ask for takes turns.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._turn = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self._turn:
            answer = self._app(environ, start_response)
            try:
                return list(answer)
            finally:
                if hasattr(answer, "close"):  # not the one that says that nothing has changed
                    answer.close()


def main() -> None:
    port = int(sys.argv[1])
    app = _application(port)
    _controls(app)
    _troubles(app)
    print("up", flush=True)
    make_server("127.0.0.1", port, _OneAtATime(app), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
