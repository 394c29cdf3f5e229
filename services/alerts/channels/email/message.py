"""The e-mail itself."""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

from services.alerts.channels.wording import Wording

_NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9._-]")


def message(notification_id: str, words: Wording, sender: Address, to: Address, now: datetime) -> EmailMessage:
    """One notification for one person. The same notification has the same Message-ID whenever, and however often, it is sent.

    Every header is of our own words or of a parsed address: nothing from outside can begin another.
    """
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Date"] = now
    mail["Subject"] = words.subject
    mail["Message-ID"] = f"<{_id(notification_id)}@{sender.domain}>"
    if words.thread:
        mail["References"] = (
            f"<alarm.{_id(words.thread)}@{sender.domain}>"  # mail programs show one alarm as one thread
        )
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: answers to all is what nobody wants
    if words.urgent:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail.set_content(words.text)
    return mail


def _id(text: str) -> str:
    return _NOT_IN_AN_ID.sub("-", text)
