"""What the registry tells alerts through the event log: a code to be sent over a channel, to be entered at the registry."""

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from contracts.fields import Payload, Time
from contracts.ids import SLUG_LENGTH_MAX, SLUG_PATTERN, HubId

CODE_DIGITS: Final = 6


class Verification(Payload):
    """A code for a channel of a hub (`channel_id`, and whose it is), or for a responder (`channel_id` is its id)."""

    channel_id: UUID
    owner: Literal["hub", "responder"]
    hub_id: Annotated[HubId, Field(pattern=SLUG_PATTERN, max_length=SLUG_LENGTH_MAX)] | None
    code: Annotated[str, Field(pattern=rf"^[0-9]{{{CODE_DIGITS}}}$", repr=False)]  # whoever reads it may verify
    expires_at: Time
