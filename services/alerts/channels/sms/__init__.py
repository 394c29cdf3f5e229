"""Text messages through GOV.UK Notify (its REST API, https://docs.notifications.service.gov.uk/rest-api.html)."""

from services.alerts.channels.sms.account import NotifyAccount
from services.alerts.channels.sms.channel import SmsChannel

__all__ = ["NotifyAccount", "SmsChannel"]
