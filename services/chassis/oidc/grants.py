"""What a person may do, from what an identity provider says of them: pure, and decided by the installation's own map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.access import Principal, Role
from contracts.ids import SLUG_LENGTH_MAX, SLUG_PATTERN, CouncilId, HubId

Slug: TypeAlias = Annotated[str, Field(pattern=SLUG_PATTERN, max_length=SLUG_LENGTH_MAX)]

ACCOUNT_LENGTH_MAX = 255
NAME_LENGTH_MAX = 128


class Grant(BaseModel):
    """What one group, or one app role, of the provider's means here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    hub: Slug | None = None
    councils: Annotated[tuple[Slug, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.role == "hub") != (self.hub is not None):
            raise ValueError('a hub\'s role names its "hub", and no other role does')
        if self.councils is not None and self.role != "engineer":
            raise ValueError('"councils" limit an engineer alone')
        return self


RoleMap: TypeAlias = Mapping[str, Grant]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider has told us of. `name` is what colleagues know; `who` is the actor in histories, and what they may do."""

    subject: str
    name: str
    who: Principal


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """Known to the provider, but not to be let in; `why` is a sentence for them."""

    why: str


def person_of(
    claims: Mapping[str, Any], role_map: RoleMap, names: Sequence[str], accounts: Sequence[str]
) -> Person | NotAdmitted:
    """Whom `claims` tell of. `names`: the claims in which groups and roles are found; `accounts`: in which an account's name is.

    Entries of the map are tried in their order: the first that the person has gives the role, others of the same role add councils.
    """
    subject = str(claims.get("sub", ""))
    account = _first_text(claims, (*accounts, "sub"), ACCOUNT_LENGTH_MAX)
    name = _first_text(claims, ("name", *accounts, "sub"), NAME_LENGTH_MAX)
    if not subject or account is None or name is None:
        return NotAdmitted("The identity provider told us no name for you that we can keep.")
    held = {value for claim in names for value in _texts(claims.get(claim))}
    grants = [grant for key, grant in role_map.items() if key in held]
    if not grants:
        return NotAdmitted(_nothing_for(name, claims, names))
    return _combined(subject, name, account, grants)


def _combined(subject: str, name: str, account: str, grants: Sequence[Grant]) -> Person | NotAdmitted:
    first = grants[0]
    same = [grant for grant in grants if grant.role == first.role]
    hubs = {grant.hub for grant in same}
    if len(hubs) > 1:
        return NotAdmitted(
            f"{name} is in the groups of several hubs, and can only sign in for one. Ask whoever keeps the groups."
        )
    everywhere = any(grant.councils is None for grant in same)
    councils = frozenset(CouncilId(each) for grant in same for each in grant.councils or ())
    who = Principal(
        name=account,
        role=first.role,
        hub_id=HubId(first.hub) if first.hub else None,
        councils=None if everywhere else councils,
    )
    return Person(subject, name, who)


def _nothing_for(name: str, claims: Mapping[str, Any], names: Sequence[str]) -> str:
    """Entra ID leaves groups out when there are too many, and says so by `_claim_names`."""
    left_out = claims.get("_claim_names")
    if isinstance(left_out, Mapping) and any(claim in left_out for claim in names):
        return (
            f"The identity provider left out the groups of {name}, because there are too many. "
            "Whoever runs it must send app roles, or only the groups assigned to this application."
        )
    return f"{name} has no role in this service. Ask whoever keeps your organisation's groups to give you one."


def _first_text(claims: Mapping[str, Any], names: Sequence[str], length_max: int) -> str | None:
    found = (claims.get(name) for name in names)
    texts = (value.strip() for value in found if isinstance(value, str))
    return next((text for text in texts if text and text.isprintable() and len(text) <= length_max), None)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
