"""Which e-mail addresses and telephone numbers are taken, how they are kept, and how little of one is shown."""

import re
from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.address import MASK, masked, normal


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("warden@example.org", "warden@example.org"),
        (" Night.Desk@ARC.Example ", "Night.Desk@arc.example"),
        ("o'neill+nights@care.example.co.uk", "o'neill+nights@care.example.co.uk"),
        ("w@xn--hrnsand-5wa.example", "w@xn--hrnsand-5wa.example"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_an_address_is_kept_as_it_was_given_its_host_in_small_letters(text: str, kept: str) -> None:
    assert normal("email", text) == kept
    assert normal("email", kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "warden",
        "warden@",
        "@example.org",
        "warden@localhost",
        "warden@10.0.0.1",
        "warden@[10.0.0.1]",
        "a@b@example.org",
        '"a b"@example.org',
        ".a@example.org",
        "a..b@example.org",
        "a.@example.org",
        "a@-example.org",
        "a@example..org",
        "a@example.org.",
        "a b@example.org",
        "a@exam ple.org",
        "a@example.org\r\nBcc: all@example.org",
        "a\0@example.org",
        "a,b@example.org",
        "Isla <isla@example.org>",
        "härnösand@example.org",
        "a@härnösand.example",
        f"{'a' * 65}@example.org",
        f"a@{'b' * 64}.org",
        f"a@{'b.' * 126}org",
    ],
)
def test_what_no_mail_server_would_take_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        normal("email", text)


def test_a_refusal_does_not_repeat_what_it_refuses() -> None:
    cases: list[tuple[Literal["email", "sms"], str]] = [
        ("email", "isla kerr@private.example"),
        ("sms", "0141 496 0461"),
    ]
    for medium, text in cases:
        with pytest.raises(ValueError, match="not a") as refused:
            normal(medium, text)
        assert not {"isla", "kerr", "private", "496", "0461"} & set(re.findall(r"\w+", str(refused.value)))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("07700 900123", "+447700900123"),
        ("07700-900-123", "+447700900123"),
        ("+44 7700 900123", "+447700900123"),
        ("+44 (0)7700 900123", "+447700900123"),
        ("0044 7700 900123", "+447700900123"),
        ("(07700) 900123", "+447700900123"),
        ("07624 900123", "+447624900123"),
        ("+353 85 012 3456", "+353850123456"),
        ("+1 202-555-0123", "+12025550123"),
    ],
)
def test_a_number_is_kept_in_the_one_form_that_every_network_knows(text: str, kept: str) -> None:
    assert normal("sms", text) == kept
    assert normal("sms", kept) == kept


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a telephone number"),
        ("112", "not a telephone number"),
        ("900123", "not a telephone number"),
        ("07700 90012x", "not a telephone number"),
        ("07700 900123; 07700 900124", "not a telephone number"),
        ("+44 7700 900123\n", ""),
        ("\u0660\u0667\u0667\u0660\u0660 900123", "not a telephone number"),
        ("+0447700900123", "not a telephone number"),
        ("+35385012345678901", "not a telephone number"),
        ("0141 496 0000", "UK mobile"),
        ("07700 90012", "UK mobile"),
        ("07700 9001234", "UK mobile"),
        ("070 0000 0000", "UK mobile"),
        ("07600 000000", "UK mobile"),
        ("+44 20 7946 0000", "UK mobile"),
    ],
)
def test_a_number_that_takes_no_text_is_refused(text: str, told: str) -> None:
    if not told:  # a line's end is no part of it
        assert normal("sms", text) == "+447700900123"
        return
    with pytest.raises(ValueError, match=told):
        normal("sms", text)


def test_of_an_address_so_much_is_shown_that_one_knows_ones_own() -> None:
    assert masked("email", "warden@example.org") == f"w{MASK}@example.org"
    assert masked("sms", "+447700900123") == f"+44{MASK}123"


typed = st.text(max_size=40) | st.from_regex(r"[+0(][0-9 ()-]{6,20}") | st.from_regex(r"[^@]{1,70}@[^@]{1,70}")


@given(typed)
def test_whatever_is_typed_is_kept_in_one_form_or_refused(text: str) -> None:
    media: tuple[Literal["email", "sms"], ...] = ("email", "sms")
    for medium in media:
        with suppress(ValueError):
            kept = normal(medium, text)
            assert normal(medium, kept) == kept
            assert re.fullmatch(r"\+[0-9]{8,15}|[!-~]+@[a-z0-9.-]+", kept)
            assert MASK in masked(medium, kept)
            assert kept not in masked(medium, kept)
