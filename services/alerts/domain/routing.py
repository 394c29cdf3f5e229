"""Who is told. Never nobody while any hub has a usable channel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias, TypeVar

from contracts.ids import HubId
from contracts.policy import Policy, seconds
from contracts.rota import Rota, on_duty
from contracts.vocabulary import MONITORING_IMPAIRED, Priority
from services.alerts.domain import ladder
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decision import Decision

_T = TypeVar("_T")
# A stuck button presses every second: whoever was called once hears of the next round, and of who has taken it.
_NOT_FOR_TELEPHONES: Final = frozenset({"repeated", "restored", "cancelled"})

ChannelKind: TypeAlias = Literal["webhook", "mqtt", "email", "sms"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A verified way to a hub."""

    channel_id: str
    kind: ChannelKind


@dataclass(frozen=True, slots=True)
class Recipient:
    """A hub that can be told, by all of these at once. `rung`: its place in the council's ladder, None when it has none."""

    hub_id: HubId
    channels: tuple[Channel, ...]
    rung: int | None = None


@dataclass(frozen=True, slots=True)
class Responder:
    """A person who is told when hubs are not enough, by the one verified way we have."""

    responder_id: str
    kind: ChannelKind
    rota: Rota = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an alarm can be told to, as routing and channels are now.

    `technical` takes the council's degraded alarms (priority 4); `told` are the hubs, and responders, that were told before.
    """

    hubs: tuple[Recipient, ...]
    responders: tuple[Responder, ...] = ()
    technical: HubId | None = None
    fallback: HubId | None = None
    told: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of a transition. `unroutable`: nobody has been named for the council, or can be reached of those who are."""

    hubs: tuple[Recipient, ...]
    responders: tuple[Responder, ...]
    unroutable: bool = False


def who_is_told(decision: Decision, reach: Reach, policy: Policy, now: datetime) -> Told:
    """The hubs and responders up to the alarm's step, and whoever was told before; only those if it does not tell."""
    alarm = decision.alarm
    before = tuple(hub for hub in reach.hubs if hub.hub_id in reach.told)
    before_by_text = tuple(each for each in reach.responders if each.responder_id in reach.told)
    if not decision.tells:
        return Told(before, before_by_text)
    rungs, unroutable = _rungs(alarm, reach)
    steps = policy.of(alarm.priority).steps
    step = steps[min(alarm.step, len(steps) - 1)]
    hubs = rungs if step.hubs is None or unroutable or _concerns_everybody(alarm) else rungs[: step.hubs]
    if _nobody_takes_it(decision, policy, now):
        hubs = _with(hubs, _last_resort(hubs, reach))
    # Where no hub at all can be told of a life or welfare alarm, responders are all there is.
    by_text = step.responders or (not hubs and alarm.state == "open" and alarm.priority <= Priority.WELFARE)
    responders = _with(before_by_text, _on_duty(reach.responders, now)) if by_text else before_by_text
    if decision.event in _NOT_FOR_TELEPHONES:
        responders = tuple(each for each in responders if each not in before_by_text)
    if decision.to_others:
        others = tuple(hub for hub in hubs if hub not in before)
        return Told(others or hubs, responders, unroutable)
    return Told(_with(hubs, before), responders, unroutable)


def _rungs(alarm: Alarm, reach: Reach) -> tuple[tuple[Recipient, ...], bool]:
    """The council's hubs in order, the technical one first for what is degraded; else the fallback hub, else every hub."""
    if _concerns_everybody(alarm):
        return reach.hubs, False
    named = tuple(sorted((hub for hub in reach.hubs if hub.rung is not None), key=lambda hub: hub.rung or 0))
    if alarm.priority == Priority.DEGRADED or alarm.kind == MONITORING_IMPAIRED:
        named = _with(tuple(hub for hub in reach.hubs if hub.hub_id == reach.technical), named)
    if named:
        return named, False
    return _fallback(reach) or reach.hubs, True


def _concerns_everybody(alarm: Alarm) -> bool:
    """That we cannot hear the devices is every hub's business, and no council's."""
    return alarm.kind == MONITORING_IMPAIRED and alarm.council_id is None


def _nobody_takes_it(decision: Decision, policy: Policy, now: datetime) -> bool:
    """Whether every hub that was named has refused it, or has had its time. Before that, a stranger is told of no home."""
    alarm = decision.alarm
    if alarm.state != "open" or alarm.reached_at is not None or not ladder.at_top(alarm, policy):
        return False
    patience = seconds(policy.of(alarm.priority).undelivered_after_s)
    return decision.to_others or now >= alarm.ladder_at + patience


def _last_resort(asked: Sequence[Recipient], reach: Reach) -> tuple[Recipient, ...]:
    """No hub that was named has the alarm, though all were told: the fallback hub; if it is among them, every hub there is."""
    fallback = _fallback(reach)
    return fallback if fallback and fallback[0] not in asked else reach.hubs


def _fallback(reach: Reach) -> tuple[Recipient, ...]:
    return tuple(hub for hub in reach.hubs if hub.hub_id == reach.fallback)


def _on_duty(responders: Sequence[Responder], now: datetime) -> tuple[Responder, ...]:
    """In their order. Is nobody on duty, everybody: a key-holder who is woken is better than a person who is not found."""
    return tuple(each for each in responders if on_duty(each.rota, now)) or tuple(responders)


def _with(first: tuple[_T, ...], then: Iterable[_T]) -> tuple[_T, ...]:
    return first + tuple(each for each in then if each not in first)
