"""The same request again, because its answer was lost on the way, does nothing again and is answered as it was the first time."""

from services.registry.idempotency.route import Caller, Idempotency, bearer_of, caller_of
from services.registry.idempotency.store import ERASED_ANSWER, KeyStore

__all__ = ["ERASED_ANSWER", "Caller", "Idempotency", "KeyStore", "bearer_of", "caller_of"]
