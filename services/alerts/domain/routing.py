"""Who is told. Never nobody while any hub has a usable channel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from contracts.ids import HubId

ChannelKind: TypeAlias = Literal["webhook", "mqtt"]


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
class Route:
    """The ladder of an alarm, and the other hubs that can be told. `by` says whose ladder it is.

    With `everyone`, nobody has been named for this council: the alarm is unroutable, and told to all there are.
    """

    ladder: tuple[Recipient, ...]
    others: tuple[Recipient, ...]
    by: Literal["council", "fallback", "everyone"]

    def at(self, step: int, told: Iterable[HubId] = ()) -> tuple[Recipient, ...]:
        """Who hears of a transition at `step`: the hubs up to it (all once exhausted), and whoever was told before."""
        rungs = self.ladder if self.by == "everyone" else self.ladder[: step + 1]
        before = frozenset(told)
        return rungs + tuple(hub for hub in (*self.ladder[len(rungs) :], *self.others) if hub.hub_id in before)

    def others_left(self, step: int) -> bool:
        """Whether the next step tells a hub that `step` does not."""
        return self.by != "everyone" and step + 1 < len(self.ladder)


def route(reachable: Sequence[Recipient], fallback: HubId | None) -> Route:
    """The ladder, from the hubs that have a usable channel: the council's, else the fallback hub, else every hub."""
    named = sorted((hub for hub in reachable if hub.rung is not None), key=lambda hub: hub.rung or 0)
    catching = [hub for hub in reachable if hub.hub_id == fallback]
    ladder = tuple(named or catching or reachable)
    others = tuple(hub for hub in reachable if hub not in ladder)
    return Route(ladder, others, "council" if named else "fallback" if catching else "everyone")
