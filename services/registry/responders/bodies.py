"""What the routes of responders take. An unknown field is refused, but for those of an answer, which may be sent back changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from contracts.rota import Rota
from services.chassis.http import Body
from services.registry.domain.address import Medium
from services.registry.domain.responder import RESPONDERS_MAX, WantedResponder

_NAME_LENGTH_MAX = 200


class ResponderBody(Body):
    """A responder. A field left out stays as it is; a new responder needs kind, name and address."""

    only_told = frozenset({"responder_id", "council_id", "created_at"})

    kind: Medium | None = None
    name: Annotated[
        SecretStr | None, Field(min_length=1, max_length=_NAME_LENGTH_MAX, description="Kept encrypted.")
    ] = None
    address: Annotated[
        SecretStr | None,
        Field(description="An e-mail address, or the number of a mobile. Kept encrypted, and shown masked only."),
    ] = None
    rota: Annotated[
        Rota | None, Field(description="When on duty, by the clock in Europe/London. [] (as for a new one): always.")
    ] = None
    position: Annotated[
        int | None, Field(ge=0, lt=RESPONDERS_MAX, description="In the order of the council's responders, from nought.")
    ] = None
    verified: Annotated[
        bool | None,
        Field(
            description="A responder counts once verified: by a code that is sent and entered, or because you say so here."
        ),
    ] = None

    @field_validator("name")
    @classmethod
    def _printable(cls, name: SecretStr | None) -> SecretStr | None:
        if name is not None and not (name.get_secret_value().strip() and name.get_secret_value().isprintable()):
            raise ValueError("give a name on one line")
        return name

    def wanted(self) -> WantedResponder:
        return WantedResponder(
            kind=self.kind,
            name=None if self.name is None else self.name.get_secret_value().strip(),
            address=None if self.address is None else self.address.get_secret_value(),
            rota=self.rota,
            position=self.position,
            verified=self.verified,
        )
