"""What a hub's people do to an alarm over MQTT, and what we answer. HTTP has its twins."""

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError, from_json

from contracts.fields import STORABLE_PATTERN, Payload
from contracts.vocabulary import Outcome

OPERATOR_LENGTH_MAX: Final = 128
NOTE_LENGTH_MAX: Final = 2000

ActionVerdict: TypeAlias = Literal[
    "accepted", "already_acknowledged", "already_closed", "unknown_alarm", "forbidden", "invalid"
]
Reference: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE_PATTERN)]


def _somebody(operator: str) -> str:
    if not operator.strip():
        raise PydanticCustomError("nobody", "give the operator's name")
    return operator


Operator: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=OPERATOR_LENGTH_MAX, pattern=STORABLE_PATTERN),
    AfterValidator(_somebody),
]
"""Whoever has an alarm, and whoever closed it, is somebody: spaces are no name."""

Note: TypeAlias = Annotated[str, Field(max_length=NOTE_LENGTH_MAX, pattern=STORABLE_PATTERN)]


def ask_for_outcome(closing: Any) -> Any:
    """To close without an outcome is refused as with one that there isn't: by saying which there are."""
    return {"outcome": None, **closing} if isinstance(closing, dict) else closing


def _is_none(value: object) -> bool:
    return value is None


def _one_at_least(schema: dict[str, Any]) -> None:
    """What the validator below asks for, for whoever reads the JSON Schema."""
    given = {
        name: {"required": [name], "properties": {name: {"type": "string"}}} for name in ("notification_id", "alarm_id")
    }
    schema["anyOf"] = list(given.values())


class _AboutAnAlarm(Payload):
    """Which alarm: by one of the hub's own notifications of it, by its own id, or by both if they agree."""

    model_config = ConfigDict(json_schema_extra=_one_at_least)

    action_id: Reference
    action: Literal["received", "acknowledge", "release", "close"]
    notification_id: Reference | None = Field(default=None, exclude_if=_is_none)
    alarm_id: Reference | None = Field(default=None, exclude_if=_is_none)

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        if self.notification_id is None and self.alarm_id is None:
            raise PydanticCustomError("no_alarm", "give notification_id or alarm_id")
        return self


class Received(_AboutAnAlarm):
    """The hub has this notification, or the newest of this alarm: that is delivery, where a broker's PUBACK is not."""

    action: Literal["received"]


class Acknowledge(_AboutAnAlarm):
    """An operator takes the alarm."""

    action: Literal["acknowledge"]
    operator: Operator


class Release(_AboutAnAlarm):
    """The operator gives the alarm back; it escalates again."""

    action: Literal["release"]
    operator: Operator


class Close(_AboutAnAlarm):
    """The alarm is dealt with, and this is what came of it."""

    action: Literal["close"]
    operator: Operator
    outcome: Outcome
    note: Note | None = None

    _ask_for_outcome = model_validator(mode="before")(ask_for_outcome)


HubAction: TypeAlias = Annotated[Received | Acknowledge | Release | Close, Field(discriminator="action")]


class ActionResult(Payload):
    """The answer to one action. `action_id` is null only when that could not be read."""

    action_id: str | None
    result: ActionVerdict
    detail: str | None = None


HUB_ACTION: Final[TypeAdapter[Received | Acknowledge | Release | Close]] = TypeAdapter(HubAction)


def read_action(payload: bytes) -> Received | Acknowledge | Release | Close | ActionResult:
    """The action in these bytes, or the answer `invalid` saying what is wrong with them. Total."""
    try:
        return HUB_ACTION.validate_json(payload)
    except ValidationError as error:
        return ActionResult(action_id=_action_id(payload), result="invalid", detail=_first_fault(error))


def _first_fault(error: ValidationError) -> str:
    """Where the fault is and what it is, without what was sent."""
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {fault['msg']}" if field else fault["msg"]


def _action_id(payload: bytes) -> str | None:
    try:
        sent: Any = from_json(payload)
    except ValueError:
        return None
    action_id = sent.get("action_id") if isinstance(sent, dict) else None
    return action_id[:128] if isinstance(action_id, str) else None
