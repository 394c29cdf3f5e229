"""From the channels that a hub has to those that it shall have."""

from uuid import UUID

from services.registry.domain.channels import Existing, Planned, Unfit, Wanted, plan

WEB, MAIL, TEXT, LOST = (UUID(int=number) for number in range(1, 5))
HAS = [
    Existing(WEB, "webhook", url="https://arc.example/a"),
    Existing(MAIL, "email", address="desk@arc.example"),
    Existing(TEXT, "sms", address="+447700900123"),
    Existing(LOST, "email", address=None),  # encrypted under a key that is lost
]
SECRET = "whsec_of_no_matter"


def planned(*wanted: Wanted) -> list[Planned]:
    answer = plan(HAS, wanted)
    assert not isinstance(answer, Unfit), answer
    return answer


def faults(*wanted: Wanted) -> list[tuple[int, str | None]]:
    answer = plan(HAS, wanted)
    assert isinstance(answer, Unfit), answer
    return [(fault.position, fault.field) for fault in answer.faults]


def test_a_channel_is_found_again_by_what_it_is_or_by_its_id() -> None:
    found = planned(
        Wanted("sms", address="+447700900123"), Wanted("webhook", url="https://arc.example/a"), Wanted("email", MAIL)
    )
    assert [(each.channel_id, each.moved) for each in found] == [(TEXT, False), (WEB, False), (MAIL, False)]
    assert found[2].address == "desk@arc.example"


def test_what_is_not_found_is_new_and_needs_everything() -> None:
    new = planned(Wanted("webhook", url="https://arc.example/b", secret=SECRET), Wanted("mqtt"))
    assert [each.channel_id for each in new] == [None, None]
    assert faults(Wanted("webhook"), Wanted("webhook", url="https://arc.example/b"), Wanted("email")) == [
        (0, "url"),
        (1, "secret"),
        (2, "address"),
    ]


def test_a_channel_that_leads_elsewhere_has_moved() -> None:
    mail, web = planned(
        Wanted("email", MAIL, address="day@arc.example"), Wanted("webhook", WEB, url="https://arc.example/b")
    )
    assert (mail.channel_id, mail.address, mail.moved) == (MAIL, "day@arc.example", True)
    assert (web.channel_id, web.url, web.moved) == (WEB, "https://arc.example/b", True)


def test_an_address_that_is_sent_back_masked_stays_and_another_mask_is_refused() -> None:
    (mail,) = planned(Wanted("email", MAIL, address="d…@arc.example"))
    assert (mail.address, mail.moved) == ("desk@arc.example", False)
    assert faults(Wanted("email", MAIL, address="x…@arc.example")) == [(0, "address")]
    assert faults(Wanted("email", address="d…@arc.example")) == [(0, "address")]
    assert faults(Wanted("email", LOST, address="d…@arc.example")) == [(0, "address")]


def test_an_address_that_cannot_be_read_stays_until_it_is_given_again() -> None:
    (lost,) = planned(Wanted("email", LOST))
    assert (lost.address, lost.moved) == (None, False)
    (given,) = planned(Wanted("email", LOST, address="desk2@arc.example"))
    assert given.moved
    # Two that can't be read may well be two.
    assert len(planned(Wanted("email", LOST), Wanted("email", MAIL))) == 2


def test_two_channels_may_change_places_and_no_two_may_become_one() -> None:
    other = UUID(int=9)
    has = [*HAS, Existing(other, "email", address="day@arc.example")]
    swapped = plan(
        has, [Wanted("email", MAIL, address="day@arc.example"), Wanted("email", other, address="desk@arc.example")]
    )
    assert not isinstance(swapped, Unfit)
    assert all(each.moved for each in swapped)
    assert faults(Wanted("email", MAIL), Wanted("email", address="desk@arc.example", channel_id=None)) == [(1, None)]
    assert faults(Wanted("mqtt"), Wanted("mqtt")) == [(1, None)]


def test_an_id_names_one_channel_of_this_hub_and_this_kind_once() -> None:
    stranger = UUID(int=99)
    assert faults(Wanted("mqtt", stranger), Wanted("sms", MAIL), Wanted("email", MAIL)) == [
        (0, "channel_id"),
        (1, "kind"),
        (2, "channel_id"),
    ]
