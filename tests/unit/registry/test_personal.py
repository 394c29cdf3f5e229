"""Texts that may not hold a person's data, and those that only look a little like it."""

import pytest

from services.registry.domain.personal import impersonal, impersonal_key, personal_data_in

PERSONAL = {
    "a telephone number": [
        "ring 0141 339 1234 first",
        "0141-339-1234",
        "(0141) 339 1234",
        "07700 900123",
        "07700900123",
        "+44 7700 900123",
        "+44 (0)141 339 1234",
        "0044 141 339 1234",
        "447700900123",
        "０７７００ ９００１２３",
        "+47 22 34 56 78",
    ],
    "an e-mail address": ["son: iain.m@example.org", "a@b.co"],
    "a full postcode": ["G12 8QQ", "flat in eh1 1aa", "at EH11AA.", "KW15-1NY", "PA34  4AA"],
    "a CHI number": ["1501010018", "CHI 150101 0018"],
}
HARMLESS = [
    "SIM 8944110068256270054",
    "SIM 8944 1100 6825 6270 054",
    "serial H4G-00000123, firmware 2.1.0",
    "fitted 01-11-2026, checked 28/11/2026 09:30",
    "mains socket behind the sofa",
    "4711",
    "ref-100200300",
    "V2 4GB board",
    "stc 23410, -105 dBm at 2 m",
    "ticket 1234567890",
    "meet @ 10.30",
    "",
]


@pytest.mark.parametrize(("found", "text"), [(found, text) for found, texts in PERSONAL.items() for text in texts])
def test_what_leads_to_a_person_is_recognised(found: str, text: str) -> None:
    assert personal_data_in(text) == found


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_let_through(text: str) -> None:
    assert personal_data_in(text) is None
    assert impersonal(text) == text


def test_the_refusal_says_what_was_found_and_does_not_repeat_it() -> None:
    with pytest.raises(ValueError, match="telephone number") as refusal:
        impersonal("call 07700 900123")
    assert "900123" not in str(refusal.value)


def test_a_hubs_own_number_of_a_home_is_no_telephone_number_but_an_address_is_none_of_its_own() -> None:
    for key in ("4711", "0141496021", "0000004711", "07700900123"):
        assert impersonal_key(key) == key
    for text in ("iain@example.org", "G12 8QQ", "+44 7700 900123"):
        with pytest.raises(ValueError, match="only in the hub's own record"):
            impersonal_key(text)
