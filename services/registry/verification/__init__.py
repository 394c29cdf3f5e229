"""Before a channel or a responder counts: a code is sent to it, and entered here."""
