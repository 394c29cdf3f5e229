"""What looks like a person's data in a text that should hold none. Better a note refused than a telephone number kept."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_EMAIL: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")
# The inward part knows no C, I, K, M, O, V; the areas are those that there are, so that `V2 4GB` is a memory and no address.
_AREAS: Final = (
    "AB|AL|B|BA|BB|BD|BF|BH|BL|BN|BR|BS|BT|BX|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|E|EC|EH|EN|EX|FK|FY|G|"
    "GL|GU|GY|HA|HD|HG|HP|HR|HS|HU|HX|IG|IM|IP|IV|JE|KA|KT|KW|KY|L|LA|LD|LE|LL|LN|LS|LU|M|ME|MK|ML|N|NE|NG|NN|NP|NR|NW|OL|OX|"
    "PA|PE|PH|PL|PO|PR|RG|RH|RM|S|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|TD|TF|TN|TQ|TR|TS|TW|UB|W|WA|WC|WD|WF|WN|WR|WS|"
    "WV|YO|ZE"
)
_POSTCODE: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_AREAS})[0-9][A-Z0-9]?[ .-]{{0,2}}[0-9][ABD-HJLNP-UW-Z]{{2}}(?![A-Za-z0-9])", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"(?<![\w+])\+?\(?[0-9](?:[ ().-]{0,3}[0-9]){7,15}(?!\w)")
_CHI_WEIGHTS: Final = (10, 9, 8, 7, 6, 5, 4, 3, 2)


def personal_data_in(text: str, *, digits_are_a_key: bool = False) -> str | None:
    """What was found, in words that do not repeat it ("a telephone number"); None when nothing was.

    `digits_are_a_key`: bare digits are whatever the text is, as in a hub's own number of a home, and are not guessed about.
    """
    plain = unicodedata.normalize("NFKC", text)
    if _EMAIL.search(plain):
        return "an e-mail address"
    if _POSTCODE.search(plain):
        return "a full postcode"
    if digits_are_a_key and "+" not in plain:
        return None
    for found in _DIGITS.finditer(plain):
        digits = re.sub(r"[^0-9]", "", found[0])
        if _is_telephone(digits, international="+" in found[0]):
            return "a telephone number"
        if _is_chi(digits):
            return "a CHI number"
    return None


def impersonal(text: str) -> str:
    """The text as it is. Raises ValueError, in a sentence, when it seems to hold a person's data."""
    return _unless(personal_data_in(text), text)


def impersonal_key(text: str) -> str:
    """As `impersonal`, of somebody else's number of something: `0141496021` may be the hub's 141,496,021st home."""
    return _unless(personal_data_in(text, digits_are_a_key=True), text)


def _unless(found: str | None, text: str) -> str:
    if found is None:
        return text
    raise ValueError(
        f"this looks as if it held {found}: nothing that leads to a person is kept here, only in the hub's own record; leave it out"
    )


def _is_telephone(digits: str, *, international: bool) -> bool:
    if international:
        return True
    if digits.startswith("00"):
        return 11 <= len(digits) <= 16
    return (digits.startswith("0") and 10 <= len(digits) <= 11) or (digits.startswith("44") and len(digits) == 12)


def _is_chi(digits: str) -> bool:
    """Scotland's number of a patient: the day of birth, four more digits, the last a check (modulo 11)."""
    if len(digits) != 10 or not (1 <= int(digits[:2]) <= 31 and 1 <= int(digits[2:4]) <= 12):
        return False
    check = 11 - sum(weight * int(digit) for weight, digit in zip(_CHI_WEIGHTS, digits, strict=False)) % 11
    return check % 11 == int(digits[9])
