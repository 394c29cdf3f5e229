"""The same request again, because its answer was lost on the way, does nothing again and is answered as it was the first time."""

from services.registry.idempotency.route import Caller, Idempotency, bearer_of, caller_of
from services.registry.idempotency.store import KeyStore

__all__ = ["Caller", "Idempotency", "KeyStore", "bearer_of", "caller_of"]
