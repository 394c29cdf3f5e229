"""OpenID Connect: in with the account of one's own organisation (docs/decisions/0012)."""
