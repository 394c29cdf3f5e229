"""E-mail addresses and telephone numbers: which are taken, how they are written, and as much of one as may be shown."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

Medium: TypeAlias = Literal["email", "sms"]

MASK: Final = "…"

# RFC 5321, 4.5.3.1: 64 octets before the @; 254 in all, which is what a path of 256 leaves.
_LOCAL_LENGTH_MAX: Final = 64
_EMAIL_LENGTH_MAX: Final = 254
_DOMAIN_LENGTH_MAX: Final = 253
# The dot-string of RFC 5321, without the quoted kind, which nobody has and which quotes line breaks.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")

_TYPED_BETWEEN_DIGITS = re.compile(r"[ ().\u00a0-]")
_E164 = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)  # ITU-T E.164: fifteen digits at most
# Ofcom's numbering plan: 07… is mobile but for 070 (personal numbers) and 076 (pagers), of which 07624 is the Isle of Man's.
_UK_MOBILE = re.compile(r"\+447(?:[1-57-9][0-9]{8}|624[0-9]{6})", re.ASCII)


def normal(medium: Medium, text: str) -> str:
    """The address as it is kept and written to. Raises ValueError, in a sentence that does not repeat it, for what is none."""
    return _email(text.strip()) if medium == "email" else _telephone(text)


def masked(medium: Medium, address: str) -> str:
    """`a…@example.org`, `+44…123`: enough to tell one's own addresses apart."""
    if medium == "sms":
        return f"{address[:3]}{MASK}{address[-3:]}"
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}{MASK}@{domain}"


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if len(text) > _EMAIL_LENGTH_MAX or len(local) > _LOCAL_LENGTH_MAX or len(domain) > _DOMAIN_LENGTH_MAX:
        raise ValueError(
            f"too long: an e-mail address has at most {_EMAIL_LENGTH_MAX} characters, {_LOCAL_LENGTH_MAX} before @"
        )
    if not text.isascii():
        raise ValueError("not an e-mail address in ASCII: write an international domain in its xn-- form")
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain) or domain.rpartition(".")[2].isdigit():
        raise ValueError("not an e-mail address, such as night.warden@example.org")
    return f"{local}@{domain.lower()}"  # before the @ only its own host may say that letters' case means nothing


def _telephone(text: str) -> str:
    digits = _TYPED_BETWEEN_DIGITS.sub("", text.strip().replace("(0)", ""))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif digits.startswith("0"):
        digits = "+44" + digits[1:]
    if not _E164.fullmatch(digits):
        raise ValueError("not a telephone number: give it like 07700 900123, or from abroad like +353 85 012 3456")
    if digits.startswith("+44") and not _UK_MOBILE.fullmatch(digits):
        raise ValueError("not a UK mobile number, which begin with 07 or +447: texts reach no other reliably")
    return digits
