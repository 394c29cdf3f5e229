"""E-mail and text messages: whether what they are handed to answers, and takes our credentials. Nobody is written to."""

from __future__ import annotations

from services.alerts.channels.email import EmailChannel, MailServer
from services.alerts.channels.names import Names
from services.alerts.channels.sms import NotifyAccount, SmsChannel
from services.chassis.clock import DatabaseClock
from services.chassis.secrets import SecretKeyError, Vault
from services.chassis.settings import Settings, SettingsError
from services.cli.doctor.finding import Finding, good, note, wrong

_SMTP = "set TELECARE_SMTP_URL and TELECARE_EMAIL_FROM: until then nobody is told by e-mail"
_NOTIFY = "set TELECARE_NOTIFY_URL, …_API_KEY and …_TEMPLATE_ID: until then nobody is told by text message"


async def examine_messages(settings: Settings) -> list[Finding]:
    """Of each, whether it is configured and answers."""
    try:
        vault, names = Vault.from_settings(settings), Names()
        server, account = MailServer.from_settings(settings), NotifyAccount.from_settings(settings)
    except (SettingsError, SecretKeyError) as error:
        return [wrong("messages", str(error), "correct the setting: the service does not start with it")]
    mail = EmailChannel(server, vault, names)
    texts = SmsChannel(account, vault, names, DatabaseClock())
    try:
        return [
            _found("e-mail", await mail.probe()) if server else note("messages", "e-mail is not configured", _SMTP),
            _found("text messages", await texts.probe())
            if account
            else note("messages", "text messages are not configured", _NOTIFY),
        ]
    finally:
        await texts.close()


def _found(what: str, fault: str | None) -> Finding:
    if fault is None:
        return good("messages", f"{what}: its server answers and takes our credentials")
    return wrong("messages", f"{what}: {fault}", "responders are not told by it until that is mended")
