"""Councils as they might be: any policy that the registry would accept, any hubs, any rota."""

from typing import Any

from hypothesis import strategies as st

from contracts.ids import HubId
from contracts.policy import DEFAULT_POLICY, Ladder, Policy, Step
from contracts.rota import Hours
from services.alerts.domain.routing import Channel, Reach, Recipient, Responder

_DAY_S = 86_400
_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@st.composite
def _ladders(
    draw: st.DrawFn, /, *, undelivered_s: int, everybody_s: int, repeat_s: int, **fields: st.SearchStrategy[int | None]
) -> Ladder:
    times = sorted(draw(st.sets(st.integers(1, everybody_s), max_size=draw(st.sampled_from([0, 1, 2, 3, 9])))))
    hubs = sorted(draw(st.lists(st.integers(1, 3), min_size=len(times), max_size=len(times))))
    called_from = draw(st.integers(0, len(times) + 1))
    counts: list[int | None] = [*hubs, None]
    steps = [
        Step(after_s=after_s, hubs=count, responders=number >= called_from)
        for number, (after_s, count) in enumerate(zip([0, *times], counts, strict=True))
    ]
    return Ladder(
        steps=tuple(steps),
        undelivered_after_s=draw(st.integers(1, undelivered_s)),
        repeat_every_s=draw(st.integers(15, repeat_s)),
        follow_up_after_s=draw(st.integers(60, _DAY_S)),
        **{name: draw(values) for name, values in fields.items()},
    )


def _own() -> st.SearchStrategy[Policy]:
    days, within = st.integers(3600, 3 * _DAY_S), st.integers(60, 1200)
    return st.builds(
        Policy,
        life=_ladders(undelivered_s=60, everybody_s=600, repeat_s=120, press_again_within_s=within),
        welfare=_ladders(undelivered_s=300, everybody_s=3600, repeat_s=1800, press_again_within_s=st.none() | within),
        unprotected=_ladders(
            undelivered_s=_DAY_S, everybody_s=_DAY_S, repeat_s=_DAY_S, repair_within_s=st.none() | days
        ),
        degraded=_ladders(undelivered_s=_DAY_S, everybody_s=_DAY_S, repeat_s=_DAY_S, rises_after_s=st.none() | days),
    )


POLICIES: st.SearchStrategy[Policy] = st.just(DEFAULT_POLICY) | _own()


def _hub(name: str, rung: int | None) -> Recipient:
    ways: tuple[Channel, ...] = (Channel(f"{name}-webhook", "webhook"),)
    return Recipient(HubId(name), ways if rung != 1 else (*ways, Channel(f"{name}-mqtt", "mqtt")), rung)


@st.composite
def _councils(draw: st.DrawFn) -> Reach:
    named = [_hub(f"hub-{number}", number) for number in range(draw(st.sampled_from([2, 3, 1, 0])))]
    others = [_hub(name, None) for name in draw(st.sampled_from([[], ["elsewhere"], ["elsewhere", "far-off"]]))]
    hubs = tuple(draw(st.permutations([*named, *others])))
    somebody: st.SearchStrategy[Any] = st.none() | st.sampled_from([HubId("hub-0"), HubId("elsewhere")])
    hours = st.builds(
        Hours.model_validate,
        st.fixed_dictionaries(
            {
                "days": st.just(_WEEK),
                "from": st.sampled_from(["08:00", "22:00"]),
                "until": st.sampled_from(["20:00", "06:00"]),
            }
        ),
    )
    rotas = draw(st.lists(st.lists(hours, max_size=1).map(tuple), max_size=2))
    responders = tuple(Responder(f"responder-{number}", "sms", rota) for number, rota in enumerate(rotas))
    return Reach(hubs, responders, technical=draw(somebody), fallback=draw(somebody))


COUNCILS: st.SearchStrategy[Reach] = _councils()
