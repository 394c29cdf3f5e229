"""Access tokens: shown once, stored hashed. For `telecare token create|list|revoke`; there is no route to them."""

from services.registry.tokens.store import Token, TokenError, create_token, list_tokens, revoke_token

__all__ = ["Token", "TokenError", "create_token", "list_tokens", "revoke_token"]
