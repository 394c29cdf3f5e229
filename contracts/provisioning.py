"""How a unit gets a credential of its own at the broker: it shows its claim, and is answered once, however often it asks."""

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from contracts.fields import DeviceIdText, Payload, Sha256Hex, Slug
from contracts.ids import DEVICE_ID_PATTERN

SERIAL_PATTERN: Final = r"^[A-Za-z0-9._~:-]{1,64}$"
"""Which serials may be a segment of a topic; of another the registry issues no claim."""
CLAIM_PATTERN: Final = r"^[A-Za-z2-7 -]{26,40}$"

ProvisioningRefusalReason: TypeAlias = Literal["invalid", "unknown_claim", "expired", "used", "withdrawn"]


class ProvisioningRequest(Payload):
    """Asks for the credential. Sent again, byte for byte, after 10 s, doubling to 10 min, until it is answered."""

    claim: Annotated[
        str,
        Field(pattern=CLAIM_PATTERN, description="The code, as it was given; small letters and spaces do not matter."),
    ]
    # 22 characters of base64url are 132 bits, 32 of hexadecimal are 128.
    nonce: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]{22,128}$",
            description="128 random bits or more, the unit's own, kept until the answer came: by it we know the unit again.",
        ),
    ]

    @property
    def nonce_sha256(self) -> str:
        """By this the unit knows the answer to its own request."""
        return hashlib.sha256(self.nonce.encode()).hexdigest()


class Credential(Payload):
    """The answer: by this the device connects from now on. User name and client id are its device_id."""

    result: Literal["accepted"] = "accepted"
    nonce_sha256: Annotated[Sha256Hex, Field(description="Of the request's nonce: it is the answer to that request.")]
    device_id: DeviceIdText
    council_id: Slug
    username: Annotated[str, Field(pattern=DEVICE_ID_PATTERN)]
    password: Annotated[str, Field(min_length=32, max_length=128)]


class ProvisioningRefusal(Payload):
    """The answer: no. Asking again changes nothing, but with another claim."""

    result: Literal["refused"] = "refused"
    nonce_sha256: Sha256Hex | None = None
    reason: ProvisioningRefusalReason
    detail: str


ProvisioningResponse: TypeAlias = Annotated[Credential | ProvisioningRefusal, Field(discriminator="result")]
