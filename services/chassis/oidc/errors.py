"""What keeps a sign-in through an identity provider from coming to something; messages are for the log, and hold nothing secret.

OidcError
├── ProviderAway        no answer, or none that makes sense: nothing is said about the person
└── ProviderRefuses     it says no: a code that was used, a refresh token that was revoked, a person who is gone
    └── BadIdToken      an ID token that is not for us, not signed by it, too old, or of another sign-in
"""

from __future__ import annotations


class OidcError(Exception):
    """A sign-in through the provider came to nothing."""


class ProviderAway(OidcError):
    """It does not answer, or not as it should."""


class ProviderRefuses(OidcError):
    """It answers, and says no."""


class BadIdToken(ProviderRefuses):
    """What it sent, or somebody in its stead, is not to be believed."""
