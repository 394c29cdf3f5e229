"""Who did what, and who looked at what is about a person: `chassis.audit_log`, which is only ever added to (record 17).

Routes need not think of it: whatever changes something is audited because it is behind `Access.router` or a page's gate. A route
that shows what is about a person is marked `@reads_people`; one that must never wait for the audit, `@never_waits`.
"""

from services.chassis.audit.entry import Entry, Outcome, Via
from services.chassis.audit.log import AuditLog, record
from services.chassis.audit.marks import never_waits, reads_people, unaudited

__all__ = ["AuditLog", "Entry", "Outcome", "Via", "never_waits", "reads_people", "record", "unaudited"]
