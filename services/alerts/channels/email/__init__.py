"""E-mail by SMTP: to people who are not at a console."""

from services.alerts.channels.email.channel import EmailChannel
from services.alerts.channels.email.server import MailServer

__all__ = ["EmailChannel", "MailServer"]
