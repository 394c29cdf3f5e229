"""The finest place kept of a device is the postcode district."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.device import postcode_district


@pytest.mark.parametrize(
    ("given_", "kept"), [("G12", "G12"), ("eh1", "EH1"), (" ka27 ", "KA27"), ("w1a", "W1A"), ("ZE1", "ZE1")]
)
def test_a_district_is_kept_in_capitals(given_: str, kept: str) -> None:
    assert postcode_district(given_) == kept


@pytest.mark.parametrize(("full", "district"), [("G12 8QQ", "G12"), ("eh11aa", "EH1"), ("KA27  8AJ", "KA27")])
def test_a_full_postcode_is_refused_and_told_which_part_to_give(full: str, district: str) -> None:
    with pytest.raises(ValueError, match=rf"district only \({district}\)"):
        postcode_district(full)


@given(st.text(max_size=12))
def test_whatever_is_given_no_more_than_a_district_is_kept(text: str) -> None:
    try:
        kept = postcode_district(text)
    except ValueError:
        return
    assert len(kept) <= 4
    assert kept.isascii()
    assert kept[0].isalpha()
